// Activation functions (activation.rs of upg-flows): act(z) and its derivative, which follows from the value h = act(z), or is stored.

enum { ACT_TANH, ACT_RELU, ACT_LEAKY_RELU, ACT_SILU, ACT_SOFTPLUS, ACT_ELU, ACT_GELU, ACT_IDENTITY };

// z sigma(c z) and its derivative sigma + c z sigma (1 - sigma).
DEVICE REAL gated(REAL z, REAL c, REAL& derivative) {
    REAL sigma = sigmoid_of(c * z);
    derivative = fma(c * z * sigma, R(1) - sigma, sigma);
    return z * sigma;
}

// act(z); of SiLU and GELU the derivative too.
DEVICE REAL activated(int activation, REAL slope, REAL z, REAL& derivative) {
    switch (activation) {
    case ACT_TANH: return tanh_of(z);
    case ACT_RELU: return z > R(0) ? z : R(0);
    case ACT_LEAKY_RELU: return z > R(0) ? z : slope * z;
    case ACT_SILU: return gated(z, R(1), derivative);
    case ACT_SOFTPLUS: return softplus_of(z);
    case ACT_ELU: return z > R(0) ? z : exp_of(z) - R(1);
    case ACT_GELU: return gated(z, R(1.702), derivative);
    default: return z;
    }
}

// act'(z) from h = act(z), or from itself for SiLU and GELU.
DEVICE REAL activation_slope(int activation, REAL slope, REAL h) {
    switch (activation) {
    case ACT_TANH: return fma(-h, h, R(1));
    case ACT_RELU: return h > R(0) ? R(1) : R(0);
    case ACT_LEAKY_RELU: return h > R(0) ? R(1) : slope;
    case ACT_SOFTPLUS: return R(1) - exp_of(-h);
    case ACT_ELU: return h > R(0) ? R(1) : h + R(1);
    case ACT_SILU:
    case ACT_GELU: return h;
    default: return R(1);
    }
}
