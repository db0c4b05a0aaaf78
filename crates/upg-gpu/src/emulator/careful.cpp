// Every access of a kernel to memory, as g++ tells it by the calls it makes for another tool (-fsanitize=thread): bytes are counted, and
// two threads that meet at one place without a barrier between them are found, as are accesses beside an allocation.

// Someone who touched a word: the number of its thread in the launch plus 1 (0 is nobody), and the barriers passed before.
struct Touch { unsigned long long who, epoch; };

// Of a word of four bytes: who wrote it last, and one who has read it since. One is enough, for a thread runs from barrier to barrier and
// a block to its end before others do: whoever meets a later reader meets the one kept too.
struct Word { Touch writer, reader; };

struct Careful {
    // Words of shared memory, and of global memory by address.
    std::vector<Word> shared;
    std::unordered_map<unsigned long long, Word> global;
    size_t last_range = 0;
};
static thread_local Careful own_careful;
static __thread Careful* careful __attribute__((tls_model("initial-exec")));

static void begin_careful(Machine& m) {
    careful = nullptr;
    if (!m.run->careful) return;
    careful = &own_careful;
    // What earlier launches left there has passed fewer barriers.
    careful->shared.resize(m.arena_bytes / 4);
    careful->global.clear();
    careful->last_range = 0;
}

enum class Space { Shared, Global };

// Whether an earlier access is by another thread, with no barrier in between. Nothing is between two blocks, which share global memory alone.
static bool meets(Machine& m, Space space, Touch earlier, Touch now) {
    if (earlier.who == 0 || earlier.who == now.who) return false;
    if (earlier.epoch == now.epoch) return true;
    unsigned long long threads = m.threads.size();
    return space == Space::Global && (earlier.who - 1) / threads != (now.who - 1) / threads;
}

[[noreturn]] static void fail_race(Machine& m, Touch earlier, const char* what, const char* where, unsigned long long byte) {
    unsigned long long threads = m.threads.size();
    unsigned long long block = (earlier.who - 1) / threads, x = emulator_now.blocks.x, y = emulator_now.blocks.y;
    fail("thread %d %s byte %llu of %s, no barrier after thread %llu of block (%llu, %llu, %llu)", m.current, what, byte, where,
         (earlier.who - 1) % threads, block % x, block / x % y, block / x / y);
}

static void touch_word(Machine& m, Space space, Word& word, Touch now, bool write, const char* where, unsigned long long byte) {
    const char* what = write ? "writes what was written at" : "reads what was written at";
    if (meets(m, space, word.writer, now)) fail_race(m, word.writer, what, where, byte);
    if (write && meets(m, space, word.reader, now)) fail_race(m, word.reader, "writes what was read at", where, byte);
    if (write) word = {now, {0, 0}};
    else if (!meets(m, space, word.reader, now)) word.reader = now;
}

static Touch now_of(Machine& m) {
    const emulator_now_type& now = emulator_now;
    unsigned long long block = (now.block.z * (unsigned long long)now.blocks.y + now.block.y) * now.blocks.x + now.block.x;
    return {block * m.threads.size() + m.current + 1, m.epoch};
}

static void touch_shared(Machine& m, size_t at, size_t bytes, bool write) {
    for (auto& array : m.arrays) {
        if (at < array.at || at >= array.at + array.bytes + GAP) continue;
        if (at + bytes > array.at + array.bytes)
            fail("thread %d %s byte %zu of shared `%s`, which has %zu", m.current, write ? "writes" : "reads", at - array.at, array.name, array.bytes);
        for (size_t word = at / 4; word <= (at + bytes - 1) / 4; word++)
            touch_word(m, Space::Shared, careful->shared[word], now_of(m), write, array.name, at - array.at);
        return;
    }
    fail("thread %d %s shared memory beyond its arrays", m.current, write ? "writes" : "reads");
}

// The allocation whose memory or margin an address lies in.
static const Range* range_of(Machine& m, unsigned long long at) {
    const Range* ranges = m.run->ranges;
    auto near = [&](size_t i) { return at + GAP >= ranges[i].from && at < ranges[i].to + GAP; };
    size_t low = 0, high = m.run->range_count;
    if (careful->last_range < high && near(careful->last_range)) return ranges + careful->last_range;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (near(middle)) {
            careful->last_range = middle;
            return ranges + middle;
        }
        if (at < ranges[middle].from) high = middle;
        else low = middle + 1;
    }
    return nullptr;
}

static void touch_global(Machine& m, unsigned long long at, size_t bytes, bool write) {
    const Range* range = range_of(m, at);
    if (!range) return;
    long long byte = (long long)(at - range->from);
    if (at < range->from || at + bytes > range->to)
        fail("thread %d %s byte %lld of an allocation of %llu bytes", m.current, write ? "writes" : "reads", byte, range->to - range->from);
    (write ? m.run->stored : m.run->loaded) += bytes;
    for (unsigned long long word = at / 4; word <= (at + bytes - 1) / 4; word++)
        touch_word(m, Space::Global, careful->global[word], now_of(m), write, "an allocation", byte);
}

static void touch(const void* at, size_t bytes, bool write) {
    if (!careful || bytes == 0) return;
    Machine& m = *machine;
    size_t in_arena = (size_t)((const char*)at - m.arena);
    if (in_arena < m.arena_bytes) touch_shared(m, in_arena, bytes, write);
    else touch_global(m, (unsigned long long)at, bytes, write);
}

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_read_range(const void* at, unsigned long bytes) { touch(at, bytes, false); }
void __tsan_write_range(void* at, unsigned long bytes) { touch(at, bytes, true); }
#define EMULATOR_ACCESS(bytes) \
    void __tsan_read##bytes(const void* at) { touch(at, bytes, false); } \
    void __tsan_write##bytes(void* at) { touch(at, bytes, true); } \
    void __tsan_volatile_read##bytes(const void* at) { touch(at, bytes, false); } \
    void __tsan_volatile_write##bytes(void* at) { touch(at, bytes, true); }
#define EMULATOR_UNALIGNED(bytes) \
    void __tsan_unaligned_read##bytes(const void* at) { touch(at, bytes, false); } \
    void __tsan_unaligned_write##bytes(void* at) { touch(at, bytes, true); }
EMULATOR_ACCESS(1) EMULATOR_ACCESS(2) EMULATOR_ACCESS(4) EMULATOR_ACCESS(8) EMULATOR_ACCESS(16)
EMULATOR_UNALIGNED(2) EMULATOR_UNALIGNED(4) EMULATOR_UNALIGNED(8) EMULATOR_UNALIGNED(16)
}
