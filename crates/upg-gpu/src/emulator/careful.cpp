// Every access of a kernel to memory, as g++ tells it by the calls it makes for another tool (-fsanitize=thread): bytes are counted, and
// two threads that meet at one place without a barrier between them are found, as are accesses beside an allocation.

// Someone who touched a word: the number of its thread in the launch plus 1 (0 is nobody), and the barriers passed before.
struct Touch { unsigned long long who, epoch; };

// Of a word of four bytes: who wrote it last, and one who has read it since. One is enough, for a thread runs from barrier to barrier and
// a block to its end before others do: whoever meets a later reader meets the one kept too.
struct Word { Touch writer, reader; };

// Words of global memory that lie side by side, of the launch that touched them last.
const size_t PAGE_WORDS = 64, MOST_PAGES = 1 << 15, RECENT = 256;
struct Page { unsigned long long number, launch; Word words[PAGE_WORDS]; };

struct Careful {
    std::vector<Word> shared;
    // Pages by number, the address over their size; some of those just used, and the allocations they lie in, are found without a search.
    std::unordered_map<unsigned long long, std::unique_ptr<Page>> pages;
    std::vector<Page*> recent = std::vector<Page*>(RECENT);
    std::vector<size_t> ranges = std::vector<size_t>(RECENT);
    unsigned long long launch = 0;
};
static thread_local Careful own_careful;
static __thread Careful* careful __attribute__((tls_model("initial-exec")));

static void begin_careful(Machine& m) {
    careful = nullptr;
    if (!m.run->careful) return;
    careful = &own_careful;
    // What earlier launches left there has passed fewer barriers.
    careful->shared.resize(m.arena_bytes / 4);
    careful->launch++;
    if (careful->pages.size() > MOST_PAGES) {
        careful->pages.clear();
        careful->recent.assign(RECENT, nullptr);
    }
}

// The page of this number, as nobody has touched it in this launch if it is the first to ask.
static Page* page_of(unsigned long long number) {
    Page*& recent = careful->recent[number % RECENT];
    if (!recent || recent->number != number) {
        auto& page = careful->pages[number];
        if (!page) page.reset(new Page{number, 0, {}});
        recent = page.get();
    }
    if (recent->launch != careful->launch) {
        memset(recent->words, 0, sizeof recent->words);
        recent->launch = careful->launch;
    }
    return recent;
}

enum class Space { Shared, Global };

// Whether an earlier access is by another thread, with no barrier in between. Nothing is between two blocks, which share global memory alone.
static bool meets(Machine& m, Space space, Touch earlier, Touch now) {
    if (earlier.who == 0 || earlier.who == now.who) return false;
    return earlier.epoch == now.epoch || (space == Space::Global && earlier.epoch < m.first_epoch);
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

static Touch now_of(Machine& m) { return {m.block * m.threads.size() + m.current + 1, m.epoch}; }

static void touch_shared(Machine& m, size_t at, size_t bytes, bool write) {
    for (auto& array : m.arrays) {
        if (at < array.at || at >= array.at + array.bytes + GAP) continue;
        if (at + bytes > array.at + array.bytes)
            fail("thread %d %s byte %zu of shared `%s`, which has %zu", m.current, write ? "writes" : "reads", at - array.at, array.name, array.bytes);
        Touch now = now_of(m);
        for (size_t word = at / 4; word <= (at + bytes - 1) / 4; word++)
            touch_word(m, Space::Shared, careful->shared[word], now, write, array.name, at - array.at);
        return;
    }
    fail("thread %d %s shared memory beyond its arrays", m.current, write ? "writes" : "reads");
}

// The allocation whose memory or margin an address lies in.
static const Range* range_of(Machine& m, unsigned long long at) {
    const Range* ranges = m.run->ranges;
    auto near = [&](size_t i) { return at + GAP >= ranges[i].from && at < ranges[i].to + GAP; };
    size_t low = 0, high = m.run->range_count;
    size_t& recent = careful->ranges[at / (4 * PAGE_WORDS) % RECENT];
    if (recent < high && near(recent)) return ranges + recent;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (near(middle)) {
            recent = middle;
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
    Touch now = now_of(m);
    for (unsigned long long word = at / 4; word <= (at + bytes - 1) / 4; word++)
        touch_word(m, Space::Global, page_of(word / PAGE_WORDS)->words[word % PAGE_WORDS], now, write, "an allocation", byte);
}

static void touch(const void* at, size_t bytes, bool write) {
    if (!careful || bytes == 0) return;
    Machine& m = *machine;
    // A thread's own stack is its own.
    if ((size_t)((const char*)at - m.threads[m.current].fiber->memory) < PAGE + STACK) return;
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
