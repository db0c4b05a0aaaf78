// What a solver of g(t) = y starts from.

#define EPSILON real_of((UBITS)(BIAS - MANTISSA) << MANTISSA)
#define INFINITE real_of((UBITS)(2 * BIAS + 1) << MANTISSA)

// An interval that holds a solution, a guess in it, and the size of the terms that g sums up: 2 epsilon of it is round-off of g.
struct Bracket {
    REAL low, high, guess, terms;
};
