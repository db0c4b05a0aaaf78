// What the texts of kernels and the emulator's runtime share. Neither needs a header for it.

struct emulator_place { unsigned x, y, z; };

// Where the thread that runs just now is, and how often it and those before it in this launch have met MAD.
struct emulator_now_type {
    emulator_place thread, block, threads, blocks;
    unsigned long long mads;
};
extern __thread emulator_now_type emulator_now __attribute__((tls_model("initial-exec")));

// A kernel: the kinds of its arguments, a letter each; the most threads of a block; and a call of it with arguments of 64 bits.
struct emulator_kernel {
    const char* kinds;
    int bound;
    void (*call)(const unsigned long long* arguments);
};

extern "C" void emulator_barrier(int line);
extern "C" void* emulator_shared(unsigned long bytes, const char* name);
extern "C" void* emulator_dynamic_shared();
