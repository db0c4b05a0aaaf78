// What all kernels of a gauge coupling read of theta.

// The weights in the order in which they are read; one thread an element or several.
// limits: 32 registers, 0 bytes shared
KERNEL(256) gauge_prepare(const REAL* theta, REAL* packed, int direction) { pack_layer<0>(theta, packed, direction, THREAD, THREADS); }
