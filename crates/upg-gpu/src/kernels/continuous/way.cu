// Samples on their way through a continuous flow, behind the text of its field: what continuous.cu and the files that load and store samples share.

// A block of samples on its way.
struct Way {
    int group, groups, samples, steps, back;
    // +-1/steps.
    double h;
    // The sample of this thread among all, and whether it is one.
    int sample;
    bool real;

    DEVICE_METHOD double weight(int i) const { return h * (i == 0 || i == 3 ? 1.0 / 6.0 : 1.0 / 3.0); }
    // h c_(i + 1).
    DEVICE_METHOD double reach(int i) const { return h * (i == 2 ? 1.0 : i == 3 ? 0.0 : 0.5); }
    // The place of a stage among all times, which are those of half steps.
    DEVICE_METHOD int time(int step, int i) const {
        int halves = 2 * step + (i + 1) / 2;
        return back ? 2 * steps - halves : halves;
    }
    // Where the input of a stage begins.
    DEVICE_METHOD u64 tape(int step, int i) const { return ((u64)(4 * step + i) * groups + group) * (SAMPLES * DOF); }
};

DEVICE Way way_of(const Field& f, int group, double h, int steps, int back, int samples) {
    int sample = group * SAMPLES + f.sample();
    bool real = sample < samples;
    return {group, (samples + SAMPLES - 1) / SAMPLES, samples, steps, back, h, real ? sample : samples - 1, real};
}
