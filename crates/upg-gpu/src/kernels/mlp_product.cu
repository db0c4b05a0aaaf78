// Products of a fully connected net on tensor cores (product/tile.cu) that end with what mlp.cu does beside products: h_k = act(W_k h_k-1 + b_k), and on
// the way back v_k = (W_k+1^T v_k+1) act'(z_k). Hidden values and their cotangents have shape [width, samples].
//
// Kernels named `wide` are for factors of which every line begins at a multiple of 16 bytes.

#ifndef REAL_IS_DOUBLE

// h <- act(sum + b), and the derivative where it is stored (null: nobody will ask).
struct Activate {
    float* h;
    const float* bias;
    float* derivative;
    int activation;
    float slope;
    DEVICE_METHOD void line(int row, int column, int columns, const float* sums, double*) const {
        float b = bias ? bias[row] : 0.0f;
        u64 first = (u64)row * columns;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            int at = column + 32 * i;
            if (at >= columns) continue;
            float z = sums[32 * i] + b, d = 1;
            h[first + at] = activated(activation, slope, z, d);
            if (derivative) derivative[first + at] = d;
        }
    }
    DEVICE_METHOD void lines(int, int, const double*) const {}
};

// v <- alpha sum act', from the source of the derivative; what a row of the tile sums up to, to `parts` [tiles of columns, stride], unless that is null.
struct Back {
    float alpha;
    float* v;
    const float* source;
    double* parts;
    int stride;
    int activation;
    float slope;
    DEVICE_METHOD void line(int row, int column, int columns, const float* sums, double* room) const {
        u64 first = (u64)row * columns;
        float h[2];
#pragma unroll
        for (int i = 0; i < 2; i++) h[i] = column + 32 * i < columns ? source[first + column + 32 * i] : 0.0f;
        double sum = 0;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            int at = column + 32 * i;
            if (at >= columns) continue;
            float value = alpha * sums[32 * i] * activation_slope(activation, slope, h[i]);
            v[first + at] = value;
            sum += (double)value;
        }
        *room = sum;
    }
    DEVICE_METHOD void lines(int first_row, int rows, const double* room) const {
        if (!parts) return;
        BARRIER();
        int line = (int)threadIdx.x;
        if (line >= HALF || first_row + line >= rows) return;
        double sum = 0;
        for (int i = 0; i < 32; i++) sum += room[line * ROOM + i];
        parts[(u64)blockIdx.x * stride + first_row + line] = sum;
    }
};

// h <- act(A B + bias), A = W [m, k], B = h_k-1 [k, n].
// limits: 168 registers, 0 bytes shared
KERNEL(BLOCK) mlp_forward_wide(const float* a, int a_stride, const float* b, int b_stride, float* h, const float* bias, float* derivative,
                             int activation, float slope, int m, int n, int k) {
    Activate end = {h, bias, derivative, activation, slope};
    product<ALONG_TERMS, ACROSS_TERMS, 1>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

// limits: 168 registers, 0 bytes shared
KERNEL(BLOCK) mlp_forward(const float* a, int a_stride, const float* b, int b_stride, float* h, const float* bias, float* derivative, int activation,
                        float slope, int m, int n, int k) {
    Activate end = {h, bias, derivative, activation, slope};
    product<ALONG_TERMS, ACROSS_TERMS, 0>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

// v <- alpha (A^T B) act', A = W [k, m], B = v_k+1 [k, n].
// limits: 168 registers, 0 bytes shared
KERNEL(BLOCK) mlp_backward_wide(const float* a, int a_stride, const float* b, int b_stride, float alpha, float* v, const float* source, double* parts,
                              int stride, int activation, float slope, int m, int n, int k) {
    Back end = {alpha, v, source, parts, stride, activation, slope};
    product<ACROSS_TERMS, ACROSS_TERMS, 1>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

// limits: 168 registers, 0 bytes shared
KERNEL(BLOCK) mlp_backward(const float* a, int a_stride, const float* b, int b_stride, float alpha, float* v, const float* source, double* parts,
                         int stride, int activation, float slope, int m, int n, int k) {
    Back end = {alpha, v, source, parts, stride, activation, slope};
    product<ACROSS_TERMS, ACROSS_TERMS, 0>(Factor{a, a_stride, m, k}, Factor{b, b_stride, n, k}, end);
}

// The gradients of all biases of a net. The first ceil(hidden / 256) blocks: one thread a hidden row, whose parts, [tiles, hidden], it adds up
// to grad[places[row]]. Those behind: the sum of a row of `last`, as in mlp_back.
// limits: 48 registers, 2176 bytes shared
KERNEL(256) mlp_bias_gradients(const double* __restrict__ parts, const int* places, REAL* grad, const REAL* __restrict__ last, int stride, REAL by, REAL* last_grad, int add, int hidden, int tiles, int samples) {
    SHARED(double, shared, 272);
    int before = (hidden + 255) / 256, row = (int)blockIdx.x - before;
    double sum = 0;
    if (row < 0) {
        int me = THREAD;
        if (me >= hidden) return;
        for (int tile = 0; tile < tiles; tile++) sum += parts[(u64)tile * hidden + me];
        REAL* to = grad + places[me];
        *to = R(sum) + (add ? *to : R(0));
        return;
    }
#pragma unroll 4
    for (int s = (int)threadIdx.x; s < samples; s += 256) sum += (double)last[(u64)row * stride + s];
    sum = sum_of_block(sum * (double)by, shared);
    if (threadIdx.x == 0) last_grad[row] = R(sum) + (add ? last_grad[row] : R(0));
}

#endif
