//! The device on the emulator: the same kernels as on a card, compiled by g++ and run here.
#![cfg(feature = "emulator")]

mod device;
mod layers;
mod support;
