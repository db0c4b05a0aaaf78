// Matrix products of f32 on tensor cores (product/tile.cu): C <- alpha op(A) op(B) + beta C, rows contiguous.

#ifndef REAL_IS_DOUBLE

// The end of a product: C <- alpha sum + beta C.
struct Linear {
    float alpha, beta;
    float* c;
    int stride;
    DEVICE_METHOD void line(int row, int column, int columns, const float* sums, double*) const {
        float* to = c + (u64)row * stride;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            int at = column + 32 * i;
            if (at < columns) to[at] = alpha * sums[32 * i] + (beta == 0.0f ? 0.0f : beta * to[at]);
        }
    }
    DEVICE_METHOD void lines(int, int, const double*) const {}
};

// Named by how the factors lie: n as in the formula, t transposed; `wide` where every line begins at a multiple of 16 bytes.

// limits: 168 registers, 0 bytes shared
KERNEL(BLOCK) product_nn_wide(const float* a, int a_stride, const float* b, int b_stride, float* c, int c_stride, float alpha, float beta, int m,
                        int n, int k) {
    Linear end = {alpha, beta, c, c_stride};
    product<ALONG_TERMS, ACROSS_TERMS, 1>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

// limits: 168 registers, 0 bytes shared
KERNEL(BLOCK) product_nn(const float* a, int a_stride, const float* b, int b_stride, float* c, int c_stride, float alpha, float beta, int m,
                        int n, int k) {
    Linear end = {alpha, beta, c, c_stride};
    product<ALONG_TERMS, ACROSS_TERMS, 0>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

// limits: 168 registers, 0 bytes shared
KERNEL(BLOCK) product_tn_wide(const float* a, int a_stride, const float* b, int b_stride, float* c, int c_stride, float alpha, float beta, int m,
                        int n, int k) {
    Linear end = {alpha, beta, c, c_stride};
    product<ACROSS_TERMS, ACROSS_TERMS, 1>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

// limits: 168 registers, 0 bytes shared
KERNEL(BLOCK) product_tn(const float* a, int a_stride, const float* b, int b_stride, float* c, int c_stride, float alpha, float beta, int m,
                        int n, int k) {
    Linear end = {alpha, beta, c, c_stride};
    product<ACROSS_TERMS, ACROSS_TERMS, 0>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

// limits: 168 registers, 0 bytes shared
KERNEL(BLOCK) product_nt_wide(const float* a, int a_stride, const float* b, int b_stride, float* c, int c_stride, float alpha, float beta, int m,
                        int n, int k) {
    Linear end = {alpha, beta, c, c_stride};
    product<ALONG_TERMS, ALONG_TERMS, 1>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

// limits: 168 registers, 0 bytes shared
KERNEL(BLOCK) product_nt(const float* a, int a_stride, const float* b, int b_stride, float* c, int c_stride, float alpha, float beta, int m,
                        int n, int k) {
    Linear end = {alpha, beta, c, c_stride};
    product<ALONG_TERMS, ALONG_TERMS, 0>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

#endif
