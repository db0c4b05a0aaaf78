// Stands for the driver, NVRTC and cuBLAS where there is no card: the functions that upg-gpu calls, on the memory of the host. What order and
// arguments matter for is written to the file STUB_LOG. Every function with a context fails where none is current in the calling thread.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>

typedef unsigned long long u64;
typedef const char* text;
enum { OK = 0, OUT_OF_MEMORY = 2, NO_CONTEXT = 201, NO_DEVICE = 100, NOT_FOUND = 500, LAUNCH_FAILED = 719 };

static __thread void* current;
static int device_context, the_stream, failed;
#define IN_CONTEXT if (!current) return NO_CONTEXT

static int set(text name, int otherwise) { text value = getenv(name); return value ? atoi(value) : otherwise; }
static void say(text format, ...) {
    FILE* log = fopen(getenv("STUB_LOG"), "a");
    va_list words;
    va_start(words, format);
    vfprintf(log, format, words);
    fputc('\n', log);
    fclose(log);
}

// The driver.
int cuInit(unsigned flags) { return set("STUB_INIT", OK); }
int cuDriverGetVersion(int* version) { *version = 12090; return OK; }
int cuGetErrorName(int error, text* name) {
    *name = error == NO_DEVICE ? "CUDA_ERROR_NO_DEVICE" : error == LAUNCH_FAILED ? "CUDA_ERROR_LAUNCH_FAILED" : 0;
    return OK;
}
int cuGetErrorString(int error, text* words) {
    *words = error == NO_DEVICE ? "no CUDA-capable device is detected" : error == LAUNCH_FAILED ? "unspecified launch failure" : 0;
    return OK;
}
int cuDeviceGetCount(int* count) { *count = set("STUB_DEVICES", 1); return OK; }
int cuDeviceGet(int* device, int index) { *device = 40 + index; return OK; }
int cuDeviceGetName(char* name, int size, int device) { snprintf(name, size, "Stub %d", device); return OK; }
int cuDeviceTotalMem_v2(size_t* bytes, int device) { *bytes = 1 << 20; return OK; }
int cuDeviceGetAttribute(int* value, int attribute, int device) {
    int capability = set("STUB_CAPABILITY", 80);
    *value = attribute == 75 ? capability / 10 : attribute == 76 ? capability % 10 : attribute == 97 ? 166912 : attribute == 16 ? 108
           : attribute == 115 ? set("STUB_POOLS", 1) : attribute == 88 ? set("STUB_PAGEABLE", 0) : 0;
    return OK;
}
int cuDevicePrimaryCtxRetain(void** context, int device) { *context = &device_context; say("retain %d", device); return OK; }
int cuDevicePrimaryCtxRelease_v2(int device) { say("release %d", device); return OK; }
int cuCtxSetCurrent(void* context) { current = context; return OK; }
int cuStreamCreate(void** stream, unsigned flags) { IN_CONTEXT; *stream = &the_stream; return OK; }
int cuStreamDestroy_v2(void* stream) { IN_CONTEXT; say("destroy stream"); return OK; }
int cuStreamSynchronize(void* stream) { IN_CONTEXT; say("wait"); return stream == &the_stream ? failed : NOT_FOUND; }
int cuDeviceGetDefaultMemPool(void** pool, int device) { *pool = &device_context; return OK; }
int cuMemPoolSetAttribute(void* pool, int attribute, u64* value) { say("pool %d %llx", attribute, *value); return OK; }
int cuMemAlloc_v2(u64* at, size_t bytes) {
    IN_CONTEXT;
    if (bytes > (size_t)1 << 40) return OUT_OF_MEMORY;
    void* memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
    memset(memory, 255, bytes);
    *at = (u64)memory;
    say("allocate %zu", bytes);
    return OK;
}
int cuMemFree_v2(u64 at) { IN_CONTEXT; free((void*)at); say("free"); return OK; }
#ifndef OLD
int cuMemAllocAsync(u64* at, size_t bytes, void* stream) { return stream == &the_stream ? cuMemAlloc_v2(at, bytes) : NOT_FOUND; }
#endif
int cuMemFreeAsync(u64 at, void* stream) { return stream == &the_stream ? cuMemFree_v2(at) : NOT_FOUND; }
int cuMemcpyHtoDAsync_v2(u64 to, const void* from, size_t bytes, void* stream) { IN_CONTEXT; memcpy((void*)to, from, bytes); return failed; }
int cuMemcpyDtoHAsync_v2(void* to, u64 from, size_t bytes, void* stream) { IN_CONTEXT; memcpy(to, (void*)from, bytes); return failed; }
int cuMemcpyDtoDAsync_v2(u64 to, u64 from, size_t bytes, void* stream) { IN_CONTEXT; memcpy((void*)to, (void*)from, bytes); return failed; }
int cuModuleLoadData(void** module, const char* image) { IN_CONTEXT; say("load %s", image); *module = strdup(image); return OK; }
int cuModuleUnload(void* module) { IN_CONTEXT; say("unload"); free(module); return OK; }
int cuModuleGetFunction(void** function, void* module, text name) {
    IN_CONTEXT;
    *function = (void*)(!strcmp(name, "mix") ? "mix" : !strcmp(name, "fault") ? "fault" : 0);
    say("find %s", name);
    return *function ? OK : NOT_FOUND;
}
int cuFuncSetAttribute(void* function, int attribute, int value) { IN_CONTEXT; say("attribute %d %d", attribute, value); return OK; }
// `mix` writes what it gets, as doubles, to the address that comes first; after `fault` the card is lost.
int cuLaunchKernel(text function, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz, unsigned shared, void* stream,
                   void** arguments, void** extra) {
    IN_CONTEXT;
    say("launch %s %u %u %u, %u %u %u, %u", function, x, y, z, bx, by, bz, shared);
    if (!strcmp(function, "fault")) { failed = LAUNCH_FAILED; return OK; }
    double* out = *(double**)arguments[0];
    out[0] = *(int*)arguments[1];
    out[1] = (double)*(u64*)arguments[2];
    out[2] = *(float*)arguments[3];
    out[3] = *(double*)arguments[4];
    return failed;
}

// NVRTC: what it makes of a text is the architecture and the text.
static char* program; static char* made; static char words[100];
int nvrtcVersion(int* major, int* minor) { *major = 12; *minor = 9; return OK; }
int nvrtcGetNumSupportedArchs(int* count) { *count = 2; return OK; }
int nvrtcGetSupportedArchs(int* known) { known[0] = 80; known[1] = 90; return OK; }
int nvrtcCreateProgram(void** handle, text source, text name, int headers, text* contents, text* names) {
    *handle = program = strdup(source);
    return OK;
}
int nvrtcDestroyProgram(void** handle) { free(*handle); return OK; }
int nvrtcCompileProgram(void* handle, int count, text* options) {
    for (int i = 0; i < count; i++) say("option %s", options[i]);
    say("compile");
    snprintf(words, sizeof words, strstr(program, "wrong") ? "some.cu(1): error: wrong" : "");
    made = malloc(strlen(program) + 100);
    sprintf(made, "%s of %s", program, options[0] + 19);
    return *words ? 6 : OK;
}
int nvrtcGetCUBINSize(void* handle, size_t* size) { *size = strlen(made) + 1; return OK; }
int nvrtcGetCUBIN(void* handle, char* to) { strcpy(to, made); return OK; }
int nvrtcGetPTXSize(void* handle, size_t* size) { *size = strlen(made) + 1; return OK; }
int nvrtcGetPTX(void* handle, char* to) { strcpy(to, made); return OK; }
int nvrtcGetProgramLogSize(void* handle, size_t* size) { *size = strlen(words) + 1; return OK; }
int nvrtcGetProgramLog(void* handle, char* to) { strcpy(to, words); return OK; }

// cuBLAS: columns are contiguous.
int cublasCreate_v2(void** handle) { if (!current) return 1; *handle = &the_stream; return OK; }
int cublasDestroy_v2(void* handle) { say("destroy handle"); return OK; }
int cublasGetVersion_v2(void* handle, int* version) { *version = 130002; return OK; }
int cublasSetStream_v2(void* handle, void* stream) { say("cuBLAS stream"); return OK; }
int cublasSetWorkspace_v2(void* handle, void* at, size_t bytes) { say("cuBLAS workspace %zu", bytes); return OK; }
int cublasSetPointerMode_v2(void* handle, int mode) { say("cuBLAS pointers %d", mode); return OK; }
int cublasSetAtomicsMode(void* handle, int mode) { say("cuBLAS atomics %d", mode); return OK; }
int cublasSetMathMode(void* handle, int mode) { say("cuBLAS mode %d", mode); return OK; }
#define GEMM(name, REAL)                                                                                                                  \
    int name(void* handle, int ta, int tb, int m, int n, int k, const REAL* alpha, const REAL* a, int lda, const REAL* b, int ldb,         \
             const REAL* beta, REAL* c, int ldc) {                                                                                         \
        if (!current) return 1;                                                                                                           \
        if (lda < (ta ? k : m) || ldb < (tb ? n : k) || ldc < m) return 7;                                                                 \
        for (int j = 0; j < n; j++)                                                                                                       \
            for (int i = 0; i < m; i++) {                                                                                                 \
                REAL sum = 0;                                                                                                             \
                for (int l = 0; l < k; l++) sum += (ta ? a[l + i * lda] : a[i + l * lda]) * (tb ? b[j + l * ldb] : b[l + j * ldb]);       \
                c[i + j * ldc] = *alpha * sum + (*beta != 0 ? *beta * c[i + j * ldc] : 0);                                                \
            }                                                                                                                             \
        return OK;                                                                                                                        \
    }
GEMM(cublasSgemm_v2, float)
GEMM(cublasDgemm_v2, double)
