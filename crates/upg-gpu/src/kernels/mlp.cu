// What a fully connected net (mlp.rs of upg-flows) does beside products: h_k = act(z_k + b_k), and on the way back v_k = u_k act'(z_k), u_k = W_k+1^T v_k+1,
// with db_k = sum over the samples of v_k. Hidden values and their cotangents have shape [width, samples].

// h <- act(h + b), and the derivative where it is stored (null: nobody will ask); one thread an element.
// limits: 40 registers, 0 bytes shared
KERNEL(256) mlp_activate(REAL* h, const REAL* bias, REAL* derivative, int activation, REAL slope, int samples, int count) {
    int e = THREAD;
    if (e >= count) return;
    REAL z = bias ? h[e] + bias[e / samples] : h[e], d = 1;
    h[e] = activated(activation, slope, z, d);
    if (derivative) derivative[e] = d;
}

// The first `width` blocks: a row of v <- v act', and its sum over the samples to `grad`, unless that is null; h is the source of the derivative.
// Those behind: the sum of a row of `last`, the cotangent of the net's output, whose rows are `stride` apart, times `by`, to `last_grad`.
// limits: 40 registers, 2176 bytes shared
KERNEL(256) mlp_back(REAL* __restrict__ v, const REAL* __restrict__ h, REAL* grad, const REAL* __restrict__ last, int stride, REAL by, REAL* last_grad, int add, int activation, REAL slope, int width, int samples) {
    SHARED(double, shared, 272);
    int row = (int)blockIdx.x;
    bool hidden = row < width;
    double sum = 0;
    if (hidden) {
#pragma unroll 4
        for (int s = (int)threadIdx.x; s < samples; s += 256) {
            int e = row * samples + s;
            REAL value = v[e] * activation_slope(activation, slope, h[e]);
            v[e] = value;
            sum += (double)value;
        }
    } else {
        row -= width;
#pragma unroll 4
        for (int s = (int)threadIdx.x; s < samples; s += 256) sum += (double)last[(u64)row * stride + s];
        sum *= (double)by;
    }
    REAL* to = hidden ? grad : last_grad;
    if (!to) return;
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) to[row] = R(sum) + (add ? to[row] : R(0));
}
