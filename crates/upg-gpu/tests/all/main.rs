//! The device on the emulator: the same kernels as on a card, compiled by g++ and run here.
#![cfg(feature = "emulator")]

mod agreement;
mod couplings;
mod device;
mod layers;
mod support;
