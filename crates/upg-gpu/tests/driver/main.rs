//! The driver without a card: its messages, and the order and the arguments of its calls, with libraries that stand for NVIDIA's.
#![cfg(target_os = "linux")]

mod calls;
mod graphs;
mod messages;
mod nccl;
mod products;
mod stubs;
