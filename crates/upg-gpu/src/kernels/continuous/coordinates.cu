// Samples whose numbers are the coordinates of the field, batches of shape [DOF, samples]: how continuous.cu loads and stores them, points x and covectors a.

// What this thread owns of a batch.
DEVICE void load(const Field& f, const Way& way, const REAL* batch, bool zero, REAL (&own)[OWN]) {
#pragma unroll
    for (int e = 0; e < OWN; e++) own[e] = f.owns(e) && !zero ? batch[(u64)f.site(e) * way.samples + way.sample] : R(0);
}

DEVICE void store(const Field& f, const Way& way, const REAL (&own)[OWN], REAL* batch) {
#pragma unroll
    for (int e = 0; e < OWN; e++)
        if (f.owns(e) && way.real) batch[(u64)f.site(e) * way.samples + way.sample] = own[e];
}

DEVICE void load_point(const Field& f, const Way& way, const REAL* x, REAL (&own)[OWN]) { load(f, way, x, false, own); }
DEVICE void load_covector(const Field& f, const Way& way, const REAL* a, REAL (&own)[OWN]) { load(f, way, a, !way.real, own); }
DEVICE void store_point(const Field& f, const Way& way, const REAL (&own)[OWN], REAL* x) { store(f, way, own, x); }
DEVICE void store_covector(const Field& f, const Way& way, const REAL (&own)[OWN], REAL* a) { store(f, way, own, a); }
