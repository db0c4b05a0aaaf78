//! The device on the emulator: the same kernels as on a card, compiled by g++ and run here.

mod agreement;
mod bases;
mod continuous;
mod couplings;
mod device;
mod faults;
mod gauge;
mod joined;
mod lattice_net;
mod layers;
mod linear;
mod linear_agreement;
mod own_products;
mod plaquettes;
mod support;
mod targets;
mod transforms;
