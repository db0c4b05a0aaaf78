// What every text of kernels begins with: the precision, the words that a card and the emulator read differently, and elementary functions.
//
// Rules for the texts: no headers; kernels are declared by KERNEL(threads), functions by DEVICE; shared memory by SHARED or
// DYNAMIC_SHARED at the top of a kernel; BARRIER() is reached by all threads of a block; a multiply-add that counts is MAD. Sizes are
// `int`, and no array has 2^31 elements or more.

typedef unsigned long long u64;

#ifdef REAL_IS_DOUBLE
typedef double REAL;
#else
typedef float REAL;
#endif

#define R(x) ((REAL)(x))

// Left empty, the compiler may spill a few registers so that one more block fits on a multiprocessor; `, 1` says that one is enough.
#define FEWEST_BLOCKS

#ifndef EMULATED
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads FEWEST_BLOCKS)
#define DEVICE static __device__ __forceinline__
#define DEVICE_METHOD __device__ __forceinline__
#define SHARED(type, name, count) __shared__ type name[count]
#define DYNAMIC_SHARED(type, name) extern __shared__ __align__(16) unsigned char dynamic_shared[]; type* name = (type*)dynamic_shared
#define BARRIER() __syncthreads()
#define MAD(a, b, c) fma(a, b, c)
DEVICE int bits_of(float x) { return __float_as_int(x); }
DEVICE long long bits_of(double x) { return __double_as_longlong(x); }
DEVICE float from_bits(int x) { return __int_as_float(x); }
DEVICE double from_bits(long long x) { return __longlong_as_double(x); }
#endif

// The number of this thread among all of the grid, in x, and their number.
#define THREAD ((int)(blockIdx.x * blockDim.x + threadIdx.x))
#define THREADS ((int)(gridDim.x * blockDim.x))
