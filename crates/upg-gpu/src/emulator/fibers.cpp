// Fibers: stacks of their own on one thread of the system, between which only they themselves switch.

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <unordered_map>
#include <vector>
#if !defined(__x86_64__) || defined(EMULATOR_UCONTEXT)
#define EMULATOR_BY_UCONTEXT
#include <ucontext.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
const size_t STACK = 1 << 18;
#else
const size_t STACK = 1 << 16;
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif
const size_t PAGE = 1 << 12;

struct Fiber {
    // Its stack, above a page that may not be touched; for the fiber that the system made, what the sanitizer says of it.
    char* memory = nullptr;
    const void* bottom = nullptr;
    size_t bytes = 0;
    void* fake = nullptr;
#ifdef EMULATOR_BY_UCONTEXT
    ucontext_t context;
#else
    void* top = nullptr;
#endif
};

#ifndef EMULATOR_BY_UCONTEXT
// Keeps the registers that a call keeps on this stack, and goes on where `to` kept its own.
extern "C" void emulator_switch(void** from, void* to);
asm(R"(
.text
.globl emulator_switch
.hidden emulator_switch
.type emulator_switch, @function
emulator_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulator_switch, .-emulator_switch
)");
#endif

// The fiber of which the running one took over, for the sanitizer.
static __thread Fiber* before __attribute__((tls_model("initial-exec")));

static void arrived(Fiber* self) {
#ifdef __SANITIZE_ADDRESS__
    const void* bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(self ? self->fake : nullptr, &bottom, &bytes);
    before->bottom = bottom;
    before->bytes = bytes;
#else
    (void)self;
#endif
}

static void switch_fibers(Fiber* from, Fiber* to) {
    before = from;
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&from->fake, to->bottom, to->bytes);
#endif
#ifdef EMULATOR_BY_UCONTEXT
    swapcontext(&from->context, &to->context);
#else
    emulator_switch(&from->top, to->top);
#endif
    arrived(from);
}

static void fiber_main();

static void begin_fiber() {
    arrived(nullptr);
    fiber_main();
}

// Makes a fiber begin anew with `fiber_main` at the next switch to it.
static void prepare_fiber(Fiber* fiber) {
    if (!fiber->memory) {
        void* memory = mmap(nullptr, STACK + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED || mprotect(memory, PAGE, PROT_NONE) != 0) {
            perror("the emulator's stacks");
            abort();
        }
        fiber->memory = (char*)memory;
        fiber->bottom = fiber->memory + PAGE;
        fiber->bytes = STACK;
    }
    ASAN_UNPOISON_MEMORY_REGION(fiber->bottom, STACK);
#ifdef EMULATOR_BY_UCONTEXT
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = (void*)fiber->bottom;
    fiber->context.uc_stack.ss_size = STACK;
    fiber->context.uc_link = nullptr;
    makecontext(&fiber->context, begin_fiber, 0);
#else
    // As after a call: an address to return to, of which 8 bytes further the stack is aligned to 16; below it six registers.
    void** top = (void**)(fiber->memory + PAGE + STACK) - 2;
    *top = (void*)begin_fiber;
    fiber->top = top - 6;
#endif
}

static void drop_fiber(Fiber* fiber) {
    if (fiber->memory) {
        ASAN_UNPOISON_MEMORY_REGION(fiber->bottom, STACK);
        munmap(fiber->memory, STACK + PAGE);
    }
}
