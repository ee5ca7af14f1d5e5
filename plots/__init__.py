"""Figures and one self-contained report from the result files that docs/results.md describes.

The layers, each of which uses only those above it:

    load        result files to data frames; says what is wrong with a file
    units       numbers as people read them: 1.2 MiB, 35 ns
    intervals   what a few repetitions support: confidence intervals of a median and of a ratio
    style       colours, markers, fonts: the same allocator looks the same everywhere
    figures     every figure is a documented function of one data frame
    tables      the figures as numbers, per allocator
    summary     the comparison in words, which says only what the numbers support
    answers     five questions of a reader, each answered by a sentence and a figure
    report      all of it as one HTML page
"""
