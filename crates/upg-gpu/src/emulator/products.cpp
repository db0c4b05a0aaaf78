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

// R rows and W columns: sums[r][w] = sum over k of a[r * a_row + k * a_term] b[k * b_row + w].
template <int R, int W, typename T>
static inline void panel(const T* a, size_t a_row, size_t a_term, const T* b, size_t b_row, size_t terms, T (&sums)[R][W]) {
    memset(&sums, 0, sizeof sums);
    for (size_t k = 0; k < terms; k++)
        for (int r = 0; r < R; r++) {
            T factor = a[r * a_row + k * a_term];
            for (int w = 0; w < W; w++) sums[r][w] += factor * b[k * b_row + w];
        }
}

template <int R, int W, typename T>
static inline void finish(const Product& p, size_t i, size_t j, const T (&sums)[R][W]) {
    for (int r = 0; r < R; r++)
        for (int w = 0; w < W; w++) {
            T* c = (T*)p.c + (i + r) * p.c_stride + j + w;
            *c = p.beta == 0.0 ? (T)p.alpha * sums[r][w] : (T)p.alpha * sums[r][w] + (T)p.beta * *c;
        }
}

template <int R, int W, typename T>
static inline void tile(const Product& p, const T* a, size_t a_row, size_t a_term, const T* b, size_t b_row, size_t i, size_t j) {
    T sums[R][W];
    panel<R, W>(a + i * a_row, a_row, a_term, b + j, b_row, p.terms, sums);
    finish<R, W>(p, i, j, sums);
}

template <int R, typename T>
static void rows(const Product& p, const T* a, size_t a_row, size_t a_term, const T* b, size_t b_row, size_t i) {
    const int WIDE = 64 / sizeof(T), NARROW = 8;
    size_t j = 0;
    for (; j + WIDE <= p.columns; j += WIDE) tile<R, WIDE>(p, a, a_row, a_term, b, b_row, i, j);
    for (; j + NARROW <= p.columns; j += NARROW) tile<R, NARROW>(p, a, a_row, a_term, b, b_row, i, j);
    for (; j < p.columns; j++) tile<R, 1>(p, a, a_row, a_term, b, b_row, i, j);
}

template <typename T> static void product(const Product& p) {
    const T *a = (const T*)p.a, *b = (const T*)p.b;
    std::vector<T> a_packed, b_packed;
    size_t a_row = p.a_transposed ? 1 : p.a_stride, a_term = p.a_transposed ? p.a_stride : 1, b_row = p.b_stride;
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
    size_t i = 0;
    for (; i + 4 <= p.rows; i += 4) rows<4>(p, a, a_row, a_term, b, b_row, i);
    for (; i < p.rows; i++) rows<1>(p, a, a_row, a_term, b, b_row, i);
}

extern "C" void emulator_product(const Product* p) {
    if (p->double_numbers) product<double>(*p);
    else product<float>(*p);
}
