// C <- alpha op(A) op(B) + beta C, rows of C contiguous; sums in the order of k, four rows and a panel of columns at a time.

struct Product {
    unsigned double_numbers, tf32, a_transposed, b_transposed;
    unsigned long long rows, columns, terms;
    double alpha, beta;
    const void *a, *b;
    void* c;
    unsigned long long a_stride, b_stride, c_stride;
};

// The nearest number of ten bits of mantissa; of two equally near, the even one. Infinities and what is no number stay.
static float to_tf32(float x) {
    unsigned bits;
    memcpy(&bits, &x, 4);
    if ((bits & 0x7f800000u) == 0x7f800000u) return x;
    bits = (bits + 0xfffu + (bits >> 13 & 1u)) & ~0x1fffu;
    memcpy(&x, &bits, 4);
    return x;
}
static double to_tf32(double x) { return x; }

// A copy with contiguous rows of op(M), of shape [rows, columns].
template <typename T> static void pack(const T* from, size_t stride, bool transposed, bool tf32, size_t rows, size_t columns, T* to) {
    const size_t TILE = 32;
    for (size_t i0 = 0; i0 < rows; i0 += TILE)
        for (size_t j0 = 0; j0 < columns; j0 += TILE)
            for (size_t i = i0; i < rows && i < i0 + TILE; i++)
                for (size_t j = j0; j < columns && j < j0 + TILE; j++) {
                    T x = transposed ? from[j * stride + i] : from[i * stride + j];
                    to[i * columns + j] = tf32 ? to_tf32(x) : x;
                }
}

// R rows and W registers of columns: sums[r][w] = sum over k of a[r * a_row + k * a_term] b[k * b_row + w].
template <int R, int W, typename T, typename V>
static inline void panel(const T* a, size_t a_row, size_t a_term, const T* b, size_t b_row, size_t terms, V (&out)[R][W]) {
    V sums[R][W] = {};
    for (size_t k = 0; k < terms; k++) {
        const V* row = (const V*)(b + k * b_row);
#pragma GCC unroll 4
        for (int r = 0; r < R; r++)
#pragma GCC unroll 4
            for (int w = 0; w < W; w++) sums[r][w] += a[r * a_row + k * a_term] * row[w];
    }
    memcpy(&out, &sums, sizeof sums);
}

// The factors as the loops read them: op(A)[i, k] = a[i * a_row + k * a_term], op(B)[k, j] = b[k * b_row + j]; of the columns
// that fill no register, the last `rest`, a copy with zeros behind them.
template <typename T> struct Factors {
    static const size_t REGISTER = 32 / sizeof(T);
    const T *a, *b;
    size_t a_row, a_term, b_row, rest;
    std::vector<T> a_packed, b_packed, b_rest;

    explicit Factors(const Product& p) : a((const T*)p.a), b((const T*)p.b), b_row(p.b_stride), rest(p.columns % REGISTER) {
        a_row = p.a_transposed ? 1 : p.a_stride, a_term = p.a_transposed ? p.a_stride : 1;
        if (p.tf32) {
            a_packed.resize(p.rows * p.terms);
            pack(a, p.a_stride, p.a_transposed, true, p.rows, p.terms, a_packed.data());
            a = a_packed.data(), a_row = p.terms, a_term = 1;
        }
        if (p.tf32 || p.b_transposed) {
            b_packed.resize(p.terms * p.columns);
            pack(b, p.b_stride, p.b_transposed, p.tf32, p.terms, p.columns, b_packed.data());
            b = b_packed.data(), b_row = p.columns;
        }
        b_rest.resize(rest ? p.terms * REGISTER : 0);
        for (size_t k = 0; k < p.terms; k++)
            for (size_t j = 0; j < rest; j++) b_rest[k * REGISTER + j] = b[k * b_row + p.columns - rest + j];
    }
};

// A tile of C from row i and column j on, of R rows and W registers, the last columns of which may be beyond it.
template <int R, int W, typename T>
static inline void tile(const Product& p, const Factors<T>& factors, const T* b, size_t b_row, size_t i, size_t j) {
    typedef T V __attribute__((vector_size(32), aligned(sizeof(T)), may_alias));
    V sums[R][W];
    panel<R, W>(factors.a + i * factors.a_row, factors.a_row, factors.a_term, b, b_row, p.terms, sums);
    T plain[R][W * Factors<T>::REGISTER];
    memcpy(plain, sums, sizeof plain);
    for (size_t r = 0; r < R; r++)
        for (size_t w = 0; w < W * Factors<T>::REGISTER && j + w < p.columns; w++) {
            T* c = (T*)p.c + (i + r) * p.c_stride + j + w;
            *c = p.beta == 0.0 ? (T)p.alpha * plain[r][w] : (T)p.alpha * plain[r][w] + (T)p.beta * *c;
        }
}

template <int R, typename T> static void rows(const Product& p, const Factors<T>& factors, size_t i) {
    const size_t REGISTER = Factors<T>::REGISTER;
    size_t j = 0;
    for (; j + 2 * REGISTER <= p.columns; j += 2 * REGISTER) tile<R, 2>(p, factors, factors.b + j, factors.b_row, i, j);
    for (; j + REGISTER <= p.columns; j += REGISTER) tile<R, 1>(p, factors, factors.b + j, factors.b_row, i, j);
    if (j < p.columns) tile<R, 1>(p, factors, factors.b_rest.data(), REGISTER, i, j);
}

template <typename T> static void product(const Product& p) {
    Factors<T> factors(p);
    size_t i = 0;
    for (; i + 4 <= p.rows; i += 4) rows<4>(p, factors, i);
    for (; i < p.rows; i++) rows<1>(p, factors, i);
}

extern "C" void emulator_product(const Product* p) {
    if (p->double_numbers) product<double>(*p);
    else product<float>(*p);
}
