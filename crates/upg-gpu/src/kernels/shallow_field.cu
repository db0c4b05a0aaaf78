// The shallow field, MATH (35) (shallow_field.rs of upg-flows), for the kernels of continuous.cu.
//
// Macros: DOF, WIDTH, SAMPLES of a block, THREADS_OF_SAMPLE; thread j of a sample owns its coordinates j, j + THREADS_OF_SAMPLE, ..., OWN of them,
// and computes its hidden units alike. theta: W1 [WIDTH][DOF], b, c [WIDTH], u [K][WIDTH], W2 [DOF][WIDTH].
// Of theta is prepared: gamma [time][WIDTH], M [WIDTH], and both matrices transposed, so that neighbouring threads read neighbouring numbers.
// What is added up for the gradient: numbers as in theta, then of M, [WIDTH].

#define BLOCK (SAMPLES * THREADS_OF_SAMPLE)
#define ME ((int)threadIdx.x)
#define PRODUCT (WIDTH * DOF)

struct Field {
    const REAL *theta, *prepared, *basis;
    int times, functions;

    // The sample of this thread, and its number among the threads of that.
    DEVICE_METHOD int sample() const { return ME / THREADS_OF_SAMPLE; }
    DEVICE_METHOD int mine() const { return ME % THREADS_OF_SAMPLE; }
    DEVICE_METHOD int site(int e) const { return e * THREADS_OF_SAMPLE + mine(); }
    DEVICE_METHOD bool owns(int e) const { return DOF % THREADS_OF_SAMPLE == 0 || site(e) < DOF; }
    DEVICE_METHOD REAL moment(int time) const { return R((double)time / (times - 1)); }

    DEVICE_METHOD const REAL* input() const { return theta; }
    DEVICE_METHOD const REAL* bias() const { return theta + PRODUCT; }
    DEVICE_METHOD const REAL* of_time() const { return theta + PRODUCT + WIDTH; }
    DEVICE_METHOD const REAL* output() const { return theta + PRODUCT + (2 + functions) * WIDTH; }
    DEVICE_METHOD const REAL* gates(int time) const { return prepared + time * WIDTH; }
    DEVICE_METHOD const REAL* trace() const { return prepared + times * WIDTH; }
    DEVICE_METHOD const REAL* input_turned() const { return prepared + (times + 1) * WIDTH; }
    DEVICE_METHOD const REAL* output_turned() const { return input_turned() + PRODUCT; }

    DEVICE_METHOD double* reduced() const {
        DYNAMIC_SHARED(double, shared);
        return shared;
    }
    // Of all samples of the block: x and a covector, [DOF] each; gamma tanh h, v, and what is summed up for u and for M, [WIDTH] each.
    DEVICE_METHOD REAL* x(int sample) const { return (REAL*)(reduced() + BLOCK) + sample * DOF; }
    DEVICE_METHOD REAL* covector(int sample) const { return x(SAMPLES + sample); }
    DEVICE_METHOD REAL* gated(int sample) const { return x(2 * SAMPLES) + sample * WIDTH; }
    DEVICE_METHOD REAL* v(int sample) const { return gated(SAMPLES + sample); }
    DEVICE_METHOD REAL* of_gate(int sample) const { return gated(2 * SAMPLES + sample); }
    DEVICE_METHOD REAL* of_trace(int sample) const { return gated(3 * SAMPLES + sample); }
};

#define FIELD_ARGUMENTS const REAL *theta, const REAL *prepared, const REAL *basis, int functions
#define FIELD(times) field_of(theta, prepared, basis, functions, times)

DEVICE Field field_of(const REAL* theta, const REAL* prepared, const REAL* basis, int functions, int times) {
    return {theta, prepared, basis, times, functions};
}

// sum_i matrix[i][of] vector[i] over `terms` rows of `row` numbers.
DEVICE REAL product(const REAL* matrix, int row, int of, const REAL* vector, int terms) {
    REAL sum = 0;
    for (int i = 0; i < terms; i++) sum = MAD(matrix[i * row + of], vector[i], sum);
    return sum;
}

// tanh h_k.
DEVICE REAL hidden(const Field& f, int time, int k) {
    return tanh_of(product(f.input_turned(), WIDTH, k, f.x(f.sample()), DOF) + (f.bias()[k] + f.of_time()[k] * f.moment(time)));
}

// What this thread owns of the product of a matrix [WIDTH][DOF] with hidden values.
DEVICE void to_sites(const Field& f, const REAL* matrix, const REAL* values, REAL (&own)[OWN]) {
#pragma unroll
    for (int e = 0; e < OWN; e++) own[e] = f.owns(e) ? product(matrix, DOF, f.site(e), values, WIDTH) : R(0);
}

// f, and what this thread has of div f.
DEVICE void field_value(Field& f, int time, const REAL (&x)[OWN], REAL (&v)[OWN], double& divergence) {
    divergence = 0;
#pragma unroll
    for (int e = 0; e < OWN; e++)
        if (f.owns(e)) f.x(f.sample())[f.site(e)] = x[e];
    BARRIER();
    for (int k = f.mine(); k < WIDTH; k += THREADS_OF_SAMPLE) {
        REAL y = hidden(f, time, k), gate = f.gates(time)[k];
        divergence += (double)(gate * f.trace()[k]) * (double)fma(-y, y, R(1));
        f.gated(f.sample())[k] = gate * y;
    }
    BARRIER();
    to_sites(f, f.output_turned(), f.gated(f.sample()), v);
}

// Adds the sums over the samples of the block of what belongs to unit k.
DEVICE void add_unit_sums(const Field& f, int time, int k, double* sums) {
    double of_v = 0, of_gate = 0, of_trace = 0;
    for (int s = 0; s < SAMPLES; s++) {
        of_v += (double)f.v(s)[k];
        of_gate += (double)f.of_gate(s)[k];
        of_trace += (double)f.of_trace(s)[k];
    }
    double* into = sums + PRODUCT + k;
    into[0] += of_v;
    into[WIDTH] += of_v * (double)f.moment(time);
    for (int j = 0; j < f.functions; j++) into[(2 + j) * WIDTH] += (double)f.basis[time * f.functions + j] * of_gate;
    into[(2 + f.functions) * WIDTH + PRODUCT] += (double)f.gates(time)[k] * of_trace;
}

// Adds the sums over the samples of the block.
DEVICE void add_sums(const Field& f, int time, double* sums) {
    for (int k = ME; k < WIDTH; k += BLOCK) add_unit_sums(f, time, k, sums);
    double* of_output = sums + PRODUCT + (2 + f.functions) * WIDTH;
    for (int p = ME; p < PRODUCT; p += BLOCK) {
        double of_input = 0, sum = 0;
        for (int s = 0; s < SAMPLES; s++) {
            of_input += (double)f.v(s)[p / DOF] * (double)f.x(s)[p % DOF];
            sum += (double)f.covector(s)[p / WIDTH] * (double)f.gated(s)[p % WIDTH];
        }
        sums[p] += of_input;
        of_output[p] += sum;
    }
    BARRIER();
}

// kappa <- (df/dx)^T kappa + w grad div f; with GRADIENT also adds the sums for it to `sums`.
template <int GRADIENT>
DEVICE void field_pull(Field& f, int time, const REAL (&x)[OWN], REAL (&kappa)[OWN], REAL w, double* sums) {
#pragma unroll
    for (int e = 0; e < OWN; e++) {
        if (!f.owns(e)) continue;
        f.x(f.sample())[f.site(e)] = x[e];
        f.covector(f.sample())[f.site(e)] = kappa[e];
    }
    BARRIER();
    for (int k = f.mine(); k < WIDTH; k += THREADS_OF_SAMPLE) {
        REAL y = hidden(f, time, k), r = product(f.output(), WIDTH, k, f.covector(f.sample()), DOF);
        REAL gate = f.gates(time)[k], trace = f.trace()[k], slope = fma(-y, y, R(1)), of_div = w * slope;
        f.v(f.sample())[k] = gate * fma(r, slope, R(-2) * trace * of_div * y);
        if (GRADIENT) {
            f.gated(f.sample())[k] = gate * y;
            f.of_gate(f.sample())[k] = fma(r, y, trace * of_div);
            f.of_trace(f.sample())[k] = of_div;
        }
    }
    BARRIER();
    to_sites(f, f.input(), f.v(f.sample()), kappa);
    if (GRADIENT) add_sums(f, time, sums);
}

// Both at one x.
DEVICE void field_value_with_pull(Field& f, int time, const REAL (&x)[OWN], REAL (&v)[OWN], double& divergence, REAL (&kappa)[OWN], REAL w) {
    field_pull<0>(f, time, x, kappa, w, (double*)0);
    field_value(f, time, x, v, divergence);
}

// gamma at all times, M, and the transposed matrices; one thread a number.
// limits: 64 registers, 0 bytes shared
KERNEL(256) shallow_prepare(const REAL* theta, const REAL* basis, REAL* prepared, int times, int functions) {
    const REAL *gates = theta + PRODUCT + 2 * WIDTH, *output = gates + functions * WIDTH;
    int p = THREAD, gates_end = times * WIDTH, trace_end = gates_end + WIDTH;
    if (p >= trace_end + 2 * PRODUCT) return;
    REAL sum = 0;
    if (p < gates_end) {
        for (int j = 0; j < functions; j++) sum = fma(basis[p / WIDTH * functions + j], gates[j * WIDTH + p % WIDTH], sum);
    } else if (p < trace_end) {
        int k = p - gates_end;
        for (int i = 0; i < DOF; i++) sum = fma(output[i * WIDTH + k], theta[k * DOF + i], sum);
    } else if (p < trace_end + PRODUCT) {
        int q = p - trace_end;
        sum = theta[q % WIDTH * DOF + q / WIDTH];
    } else {
        int q = p - trace_end - PRODUCT;
        sum = output[q % DOF * WIDTH + q / DOF];
    }
    prepared[p] = sum;
}

// The gradient, (+)= the sums, those of M taken through M_k = sum_i W2_ik W1_ki; one thread a parameter.
// limits: 64 registers, 0 bytes shared
KERNEL(256) shallow_gradient(const double* sums, const REAL* theta, REAL* grad, int add, int functions) {
    int p = THREAD, output = PRODUCT + (2 + functions) * WIDTH, count = output + PRODUCT;
    if (p >= count) return;
    double sum = sums[p];
    if (p < PRODUCT) sum += sums[count + p / DOF] * (double)theta[output + p % DOF * WIDTH + p / DOF];
    if (p >= output) sum += sums[count + (p - output) % WIDTH] * (double)theta[(p - output) % WIDTH * DOF + (p - output) / WIDTH];
    grad[p] = R(sum) + (add ? grad[p] : R(0));
}
