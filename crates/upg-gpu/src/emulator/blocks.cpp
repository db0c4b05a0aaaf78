// Blocks one after the other; the threads of a block as fibers, which run until they end or meet a barrier.

#include <cstdarg>
#include <memory>

__thread emulator_now_type emulator_now;

// An allocation of global memory: first and last address, the latter exclusive.
struct Range { unsigned long long from, to; };

// A launch, as the host lays it out.
struct Run {
    const emulator_kernel* kernel;
    const unsigned long long* arguments;
    unsigned grid[3], block[2];
    unsigned reverse, careful;
    unsigned long long dynamic_bytes, shared_limit;
    const Range* ranges;
    unsigned long long range_count;
    // What came of it.
    unsigned long long mads, loaded, stored;
    char message[512];
};

const int FINISHED = -1;
const size_t GAP = 256, STATIC_LIMIT = 48 << 10, MOST_ARRAYS = 64;

struct Thread {
    Fiber* fiber;
    emulator_place place;
    // The line of the barrier at which it waits, or FINISHED.
    int line;
    // How many arrays of shared memory it has named.
    int arrays;
};

// An array in shared memory: where it begins in the arena, behind it a gap that stays as it is.
struct Array { size_t at, bytes; const char* name; };

struct Machine {
    Fiber host;
    std::vector<std::unique_ptr<Fiber>> fibers;
    std::vector<Thread> threads;
    Run* run = nullptr;
    bool failed = false;
    // The thread that runs, and how many have begun; after a barrier, the place of the one that runs in the order of all.
    int current = 0, started = 0, place = 0;
    size_t used_fibers = 0;
    // Shared memory: all ones in every byte where no thread of this block has written.
    std::unique_ptr<char[]> memory;
    char* arena = nullptr;
    size_t arena_bytes = 0, used_bytes = 0, declared_bytes = 0;
    std::vector<Array> arrays;
    // Barriers passed so far, each block beginning with one; those when the block that runs had begun, and its number in the launch.
    unsigned long long epoch = 0, first_epoch = 0, block = 0;

    ~Machine() {
        for (auto& fiber : fibers) drop_fiber(fiber.get());
    }
    int count() const { return (int)threads.size(); }
    int thread_at(int place) const { return run->reverse ? count() - 1 - place : place; }
    Fiber* fresh_fiber() {
        if (used_fibers == fibers.size()) {
            fibers.push_back(std::make_unique<Fiber>());
            prepare_fiber(fibers.back().get());
        }
        return fibers[used_fibers++].get();
    }
    // Who runs when this thread can't go on: one that hasn't begun, the next one behind the last barrier, or at the end the host.
    Fiber* next() {
        if (started < count()) return fresh_fiber();
        return ++place < count() ? threads[thread_at(place)].fiber : &host;
    }
    void enter(int thread) {
        current = thread;
        emulator_now.thread = threads[thread].place;
    }
};

static thread_local Machine own_machine;
static __thread Machine* machine __attribute__((tls_model("initial-exec")));
static void begin_careful(Machine&);

// Ends the launch with what is said, from within a kernel.
[[noreturn]] static void fail(const char* format, ...) {
    Machine& m = *machine;
    int at = snprintf(m.run->message, sizeof m.run->message, "block (%u, %u, %u): ", emulator_now.block.x, emulator_now.block.y,
                      emulator_now.block.z);
    va_list values;
    va_start(values, format);
    vsnprintf(m.run->message + at, sizeof m.run->message - at, format, values);
    va_end(values);
    m.failed = true;
    switch_fibers(m.threads[m.current].fiber, &m.host);
    abort();
}

// Runs threads from their beginning as long as there are some that haven't begun; then others go on, until there is another block.
static void fiber_main() {
    Machine& m = *machine;
    for (;;) {
        Fiber* self = m.fibers[m.used_fibers - 1].get();
        while (m.started < m.count()) {
            int thread = m.thread_at(m.started++);
            m.threads[thread].fiber = self;
            m.threads[thread].arrays = 0;
            m.enter(thread);
            m.run->kernel->call(m.run->arguments);
            m.threads[thread].line = FINISHED;
        }
        switch_fibers(self, m.next());
    }
}

extern "C" void emulator_barrier(int line) {
    Machine& m = *machine;
    int thread = m.current;
    m.threads[thread].line = line;
    switch_fibers(m.threads[thread].fiber, m.next());
    m.enter(thread);
}

// All threads are at one barrier (true), or all have finished (false).
static bool all_at_barrier(Machine& m) {
    int first = m.threads[0].line;
    for (int thread = 1; thread < m.count(); thread++) {
        int other = m.threads[thread].line;
        if (other == first) continue;
        int waiting = first == FINISHED ? thread : 0, gone = first == FINISHED ? 0 : thread;
        int line = m.threads[waiting].line, where = m.threads[gone].line;
        char end[32] = "has finished";
        if (where != FINISHED) snprintf(end, sizeof end, "at that of line %d", where);
        snprintf(m.run->message, sizeof m.run->message, "block (%u, %u, %u): thread %d waits at BARRIER() of line %d, thread %d %s",
                 emulator_now.block.x, emulator_now.block.y, emulator_now.block.z, waiting, line, gone, end);
        m.failed = true;
        return false;
    }
    return first != FINISHED;
}

// Makes shared memory as it is at the beginning of a block, after looking at the gaps.
static void renew_shared(Machine& m) {
    for (auto& array : m.arrays) {
        const char* end = m.arena + array.at + array.bytes;
        ASAN_UNPOISON_MEMORY_REGION(end, GAP);
        for (size_t i = 0; i < GAP; i++)
            if (end[i] != (char)0xff && !m.failed) {
                snprintf(m.run->message, sizeof m.run->message, "block (%u, %u, %u): wrote to byte %zu of shared `%s`, which has %zu",
                         emulator_now.block.x, emulator_now.block.y, emulator_now.block.z, array.bytes + i, array.name, array.bytes);
                m.failed = true;
            }
    }
    m.arrays.clear();
    memset(m.arena, 0xff, m.used_bytes);
    m.used_bytes = m.declared_bytes = 0;
}

static void add_array(Machine& m, size_t bytes, const char* name) {
    size_t limit = m.run->shared_limit;
    if (m.arrays.size() == MOST_ARRAYS || m.declared_bytes + bytes > limit)
        fail("shared `%s` of %zu bytes makes %zu, of %zu", name, bytes, m.declared_bytes + bytes, limit);
    m.arrays.push_back({m.used_bytes, bytes, name});
    m.declared_bytes += bytes;
    m.used_bytes += (bytes + GAP + 127) / 128 * 128;
    ASAN_POISON_MEMORY_REGION(m.arena + m.arrays.back().at + bytes, GAP);
}

extern "C" void* emulator_dynamic_shared() {
    return machine->arena;
}

// The n-th array that a thread names is the n-th of the block; the first is the dynamic one.
extern "C" void* emulator_shared(unsigned long bytes, const char* name) {
    Machine& m = *machine;
    size_t n = 1 + m.threads[m.current].arrays++;
    if (n == m.arrays.size()) add_array(m, bytes, name);
    if (m.arrays[n].bytes != bytes || strcmp(m.arrays[n].name, name) != 0)
        fail("thread %d names shared `%s`, where another names `%s`", m.current, name, m.arrays[n].name);
    size_t declared = m.declared_bytes - m.arrays[0].bytes;
    if (declared > STATIC_LIMIT) fail("SHARED makes %zu bytes, of %zu", declared, STATIC_LIMIT);
    return m.arena + m.arrays[n].at;
}

static void run_block(Machine& m) {
    m.started = 0;
    m.place = m.count();
    m.used_fibers = 0;
    m.first_epoch = ++m.epoch;
    m.arrays.push_back({0, m.run->dynamic_bytes, "dynamic_shared"});
    m.declared_bytes = m.run->dynamic_bytes;
    m.used_bytes = (m.run->dynamic_bytes + GAP + 127) / 128 * 128;
    ASAN_POISON_MEMORY_REGION(m.arena + m.run->dynamic_bytes, GAP);
    switch_fibers(&m.host, m.fresh_fiber());
    while (!m.failed && all_at_barrier(m)) {
        m.epoch++;
        m.place = 0;
        switch_fibers(&m.host, m.threads[m.thread_at(0)].fiber);
    }
    renew_shared(m);
}

static void begin_run(Machine& m, Run* run) {
    size_t arena_bytes = run->shared_limit + MOST_ARRAYS * 2 * GAP;
    if (m.arena_bytes != arena_bytes) {
        m.memory.reset(new char[arena_bytes + GAP]);
        m.arena = (char*)(((unsigned long long)m.memory.get() + GAP - 1) / GAP * GAP);
        m.arena_bytes = arena_bytes;
        memset(m.arena, 0xff, arena_bytes);
    }
    m.run = run;
    m.failed = false;
    m.threads.resize(run->block[0] * run->block[1]);
    for (unsigned t = 0; t < m.threads.size(); t++) m.threads[t] = {nullptr, {t % run->block[0], t / run->block[0], 0}, FINISHED, 0};
    emulator_now.threads = {run->block[0], run->block[1], 1};
    emulator_now.blocks = {run->grid[0], run->grid[1], run->grid[2]};
    emulator_now.mads = 0;
}

// Runs a kernel; 0, or 1 with a message of what is wrong with it.
extern "C" int emulator_run(Run* run) {
    Machine& m = own_machine;
    machine = &m;
    begin_run(m, run);
    begin_careful(m);
    const unsigned long long blocks = (unsigned long long)run->grid[0] * run->grid[1] * run->grid[2];
    for (unsigned long long n = 0; n < blocks && !m.failed; n++) {
        unsigned long long block = run->reverse ? blocks - 1 - n : n;
        m.block = block;
        emulator_now.block = {unsigned(block % run->grid[0]), unsigned(block / run->grid[0] % run->grid[1]),
                              unsigned(block / run->grid[0] / run->grid[1])};
        run_block(m);
    }
    run->mads = emulator_now.mads;
    // What a failed launch left on the stacks is forgotten.
    if (m.failed)
        for (auto& fiber : m.fibers) prepare_fiber(fiber.get());
    m.run = nullptr;
    return m.failed;
}

extern "C" void emulator_close(const char* at, unsigned long bytes) { ASAN_POISON_MEMORY_REGION(at, bytes); }
extern "C" void emulator_open(const char* at, unsigned long bytes) { ASAN_UNPOISON_MEMORY_REGION(at, bytes); }
