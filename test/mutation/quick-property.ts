import fc from "fast-check";

// A mutant is dead at the first failure, so nothing is shrunk; one seed, so that two runs of a mutant end alike.
fc.configureGlobal({ endOnFailure: true, seed: 1 });
