// Samples whose numbers are the links u_0, then u_1 of a lattice of plaquettes, batches of shape [2 DOF, samples], MATH (38) (plaquette_flow.rs of upg-flows):
// how continuous.cu loads and stores them as points and covectors on plaquettes. The way back takes the difference to what was loaded, which it computes again.

// The same number, which the compiler knows nothing of: what follows from it is computed again and isn't kept in registers meanwhile.
DEVICE int again(int x) {
    asm volatile("" : "+r"(x));
    return x;
}

// The site after or before this one along an axis.
DEVICE int after(int site, int axis) {
    if (axis == 0) return site + LAST < SITES ? site + LAST : site + LAST - SITES;
    return (site + 1) % LAST != 0 ? site + 1 : site + 1 - LAST;
}

DEVICE int before(int site, int axis) {
    if (axis == 0) return site >= LAST ? site - LAST : site + SITES - LAST;
    return site % LAST != 0 ? site - 1 : site - 1 + LAST;
}

DEVICE u64 link_at(const Way& way, int direction, int site) { return (u64)(direction * SITES + site) * way.samples + way.sample; }

// D links.
DEVICE void plaquettes(const Field& f, const Way& way, const REAL* links, bool zero, REAL (&own)[OWN]) {
    auto link = [&](int direction, int site) { return links[link_at(way, direction, site)]; };
#pragma unroll
    for (int e = 0; e < OWN; e++) {
        own[e] = 0;
        if (!f.owns(e) || zero) continue;
        int site = again(f.site(e));
        own[e] = (link(0, site) - link(1, site)) + (link(1, after(site, 0)) - link(0, after(site, 1)));
    }
}

// What threads own, into field 0, where all of them see it.
DEVICE void show(const Field& f, const REAL (&own)[OWN]) {
    BARRIER();
#pragma unroll
    for (int e = 0; e < OWN; e++)
        if (f.owns(e)) f.at(0, e) = own[e];
    BARRIER();
}

// (D D^T)^+ own, into field 0.
DEVICE void divide(Field& f, const REAL (&own)[OWN]) {
    show(f, own);
    to_modes(f.fields, SAMPLES);
#pragma unroll
    for (int e = 0; e < OWN; e++)
        if (f.owns(e)) f.at(0, e) *= f.inverse(e);
    BARRIER();
    to_sites(f.fields, SAMPLES);
}

// The links of a sample + D^T field 0, each through `put`.
template <typename Put>
DEVICE void add_transposed(const Field& f, const Way& way, REAL* links, Put put) {
    const REAL* field = f.field(0);
#pragma unroll
    for (int e = 0; e < OWN; e++) {
        if (!f.owns(e) || !way.real) continue;
        int site = again(f.site(e));
        REAL here = field[place(site)], *u_0 = links + link_at(way, 0, site), *u_1 = links + link_at(way, 1, site);
        *u_0 = put(*u_0 + (here - field[place(before(site, 1))]));
        *u_1 = put(*u_1 + (field[place(before(site, 0))] - here));
    }
}

DEVICE void load_point(Field& f, const Way& way, const REAL* x, REAL (&own)[OWN]) { plaquettes(f, way, x, false, own); }

// c_P = (D D^T)^+ D c.
DEVICE void load_covector(Field& f, const Way& way, const REAL* c, REAL (&own)[OWN]) {
    plaquettes(f, way, c, !way.real, own);
    divide(f, own);
#pragma unroll
    for (int e = 0; e < OWN; e++) own[e] = f.owns(e) ? f.at(0, e) : R(0);
}

// u <- u + D^T (D D^T)^+ (own - D u) mod 2 pi.
DEVICE void store_point(Field& f, const Way& way, const REAL (&own)[OWN], REAL* x) {
    REAL change[OWN];
    load_point(f, way, x, change);
#pragma unroll
    for (int e = 0; e < OWN; e++) change[e] = own[e] - change[e];
    divide(f, change);
    add_transposed(f, way, x, [](REAL u) { return wrap_angle(u); });
}

// c <- c + D^T (own - c_P).
DEVICE void store_covector(Field& f, const Way& way, const REAL (&own)[OWN], REAL* c) {
    REAL change[OWN];
    load_covector(f, way, c, change);
#pragma unroll
    for (int e = 0; e < OWN; e++) change[e] = own[e] - change[e];
    show(f, change);
    add_transposed(f, way, c, [](REAL c) { return c; });
}
