//! Figures of the product, measured by CPU time and allocations.
