// The words of CUDA C++ that g++ lacks: in front of every text of kernels. No headers, so that no name of theirs meets one of a kernel.

#define threadIdx emulator_now.thread
#define blockIdx emulator_now.block
#define blockDim emulator_now.threads
#define gridDim emulator_now.blocks

#ifdef EMULATOR_LIST
#define KERNEL(threads) @KERNEL(threads)@
#else
#define KERNEL(threads) static void
#endif
#define DEVICE static inline
#define DEVICE_METHOD inline
#define SHARED(type, name, count) type (&name)[count] = *(type (*)[count])emulator_shared(sizeof(type[count]), #name)
#define DYNAMIC_SHARED(type, name) type* name = (type*)emulator_dynamic_shared()
#define BARRIER() emulator_barrier(__LINE__)

// Functions of one, two and three numbers, by the compiler's own.
#define EMULATOR_1(name) \
    static inline float name(float x) { return __builtin_##name##f(x); } \
    static inline float name##f(float x) { return __builtin_##name##f(x); } \
    static inline double name(double x) { return __builtin_##name(x); }
#define EMULATOR_2(name) \
    static inline float name(float x, float y) { return __builtin_##name##f(x, y); } \
    static inline float name##f(float x, float y) { return __builtin_##name##f(x, y); } \
    static inline double name(double x, double y) { return __builtin_##name(x, y); }
EMULATOR_1(sqrt) EMULATOR_1(floor) EMULATOR_1(ceil) EMULATOR_1(trunc) EMULATOR_1(rint) EMULATOR_1(round) EMULATOR_1(fabs)
EMULATOR_1(exp) EMULATOR_1(expm1) EMULATOR_1(log) EMULATOR_1(log1p) EMULATOR_1(sin) EMULATOR_1(cos) EMULATOR_1(tan)
EMULATOR_1(atan) EMULATOR_1(tanh)
EMULATOR_2(fmin) EMULATOR_2(fmax) EMULATOR_2(copysign) EMULATOR_2(atan2) EMULATOR_2(pow)
#undef EMULATOR_1
#undef EMULATOR_2
static inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
static inline float ldexp(float x, int n) { return __builtin_ldexpf(x, n); }
static inline float ldexpf(float x, int n) { return __builtin_ldexpf(x, n); }
static inline double ldexp(double x, int n) { return __builtin_ldexp(x, n); }

#define EMULATOR_CLASS(name) \
    static inline bool name(float x) { return __builtin_##name(x); } \
    static inline bool name(double x) { return __builtin_##name(x); }
EMULATOR_CLASS(isnan) EMULATOR_CLASS(isinf) EMULATOR_CLASS(isfinite) EMULATOR_CLASS(signbit)
#undef EMULATOR_CLASS

#define EMULATOR_ORDER(type) \
    static inline type min(type a, type b) { return b < a ? b : a; } \
    static inline type max(type a, type b) { return a < b ? b : a; }
EMULATOR_ORDER(int) EMULATOR_ORDER(unsigned) EMULATOR_ORDER(long long) EMULATOR_ORDER(unsigned long long)
#undef EMULATOR_ORDER
static inline float min(float a, float b) { return fmin(a, b); }
static inline float max(float a, float b) { return fmax(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
static inline int abs(int x) { return x < 0 ? -x : x; }
static inline float abs(float x) { return fabs(x); }
static inline double abs(double x) { return fabs(x); }

static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a * b) >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}

template <typename To, typename From> static inline To emulator_same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "as many bits as before");
    To to;
    __builtin_memcpy(&to, &from, sizeof to);
    return to;
}
DEVICE int bits_of(float x) { return emulator_same_bits<int>(x); }
DEVICE long long bits_of(double x) { return emulator_same_bits<long long>(x); }
DEVICE float from_bits(int x) { return emulator_same_bits<float>(x); }
DEVICE double from_bits(long long x) { return emulator_same_bits<double>(x); }

#ifdef EMULATOR_COUNTS
template <typename A, typename B, typename C> static inline auto MAD(A a, B b, C c) {
    emulator_now.mads += 1;
    return fma(a, b, c);
}
#else
#define MAD(a, b, c) fma(a, b, c)
#endif

// Kernels by name: EMULATE(name, bound), in lines at the end of the text, describes one to the runtime.
template <typename T> struct emulator_kind { static_assert(sizeof(T) == 0, "arguments are pointers, int, u64, float or double"); };
template <typename T> struct emulator_kind<T*> {
    static constexpr char letter = 'p';
    static T* of(unsigned long long bits) { return (T*)bits; }
};
template <> struct emulator_kind<int> {
    static constexpr char letter = 'i';
    static int of(unsigned long long bits) { return (int)bits; }
};
template <> struct emulator_kind<unsigned long long> {
    static constexpr char letter = 'l';
    static unsigned long long of(unsigned long long bits) { return bits; }
};
template <> struct emulator_kind<float> {
    static constexpr char letter = 'f';
    static float of(unsigned long long bits) { return from_bits((int)bits); }
};
template <> struct emulator_kind<double> {
    static constexpr char letter = 'd';
    static double of(unsigned long long bits) { return from_bits((long long)bits); }
};
template <typename... A> struct emulator_kinds { static constexpr char letters[] = {emulator_kind<A>::letter..., 0}; };
template <int... I> struct emulator_indices {};
template <int N, int... I> struct emulator_below : emulator_below<N - 1, N - 1, I...> {};
template <int... I> struct emulator_below<0, I...> { typedef emulator_indices<I...> type; };
template <typename... A> constexpr const char* emulator_letters(void (*)(A...)) { return emulator_kinds<A...>::letters; }
template <typename... A, int... I>
static inline void emulator_unpack(void (*kernel)(A...), const unsigned long long* arguments, emulator_indices<I...>) {
    kernel(emulator_kind<A>::of(arguments[I])...);
}
template <typename... A> static inline void emulator_call(void (*kernel)(A...), const unsigned long long* arguments) {
    emulator_unpack(kernel, arguments, typename emulator_below<sizeof...(A)>::type());
}
#define EMULATE(name, bound) \
    extern "C" { \
    extern const emulator_kernel emulated_##name; \
    const emulator_kernel emulated_##name = { \
        emulator_letters(name), bound, [](const unsigned long long* arguments) { emulator_call(name, arguments); }}; \
    }
