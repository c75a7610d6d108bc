#!/usr/bin/env python3
"""Synthesises moh/default.wav: a calm music-on-hold loop, 8 kHz mono, 16 bit.

Plucked notes over four soft chords. Every note's tail that runs past the end is added to the beginning, so the loop
has no seam. Needs nothing but Python's standard library; the same input gives the same bytes.

    python3 prompts/make_moh.py
"""
import array
import math
import pathlib
import sys
import wave

RATE = 8000
BEAT = 0.625  # seconds: 96 beats a minute
BEATS = 32  # 20 s
PEAK = 0.30  # of full scale: callers wait with the receiver at the ear

# Chord of each two bars (root, third, fifth, colour) in MIDI numbers: C, Am, F, G.
CHORDS = [(60, 64, 67, 71), (57, 60, 64, 67), (53, 57, 60, 64), (55, 59, 62, 65)]
# Which chord tone (index, octave) the harp plays on each half beat of a bar of four beats.
FIGURE = [(0, 0), (2, 0), (1, 1), (2, 1), (3, 1), (2, 1), (1, 1), (2, 0)]
# Melody: (beat, MIDI number, beats).
MELODY = [
    (0, 79, 2), (3, 76, 1), (4, 74, 3), (8, 76, 2), (11, 72, 1), (12, 69, 3),
    (16, 72, 2), (19, 69, 1), (20, 67, 3), (24, 71, 2), (27, 74, 1), (28, 72, 1), (29, 74, 1), (30, 71, 2),
]


def frequency(midi):
    return 440.0 * 2 ** ((midi - 69) / 12)


def add_note(samples, at, midi, seconds, level, partials, attack):
    """Adds one decaying note that wraps round the end."""
    start = round(at * RATE)
    length = round(seconds * RATE)
    step = 2 * math.pi * frequency(midi) / RATE
    for i in range(length):
        t = i / RATE
        envelope = min(1.0, t / attack) * math.exp(-3.0 * t / seconds) * min(1.0, (length - i) / (0.02 * RATE))
        tone = sum(gain * math.sin(step * n * i) for n, gain in partials)
        samples[(start + i) % len(samples)] += level * envelope * tone


def main():
    samples = [0.0] * round(BEAT * BEATS * RATE)
    harp = [(1, 1.0), (2, 0.35), (3, 0.12)]
    flute = [(1, 1.0), (2, 0.18), (3, 0.05)]
    pad = [(1, 1.0), (2, 0.1)]
    for bar in range(BEATS // 4):
        chord = CHORDS[bar // 2]
        for half, (tone, octave) in enumerate(FIGURE):
            add_note(samples, (bar * 4 + half / 2) * BEAT, chord[tone] + 12 * octave, 1.6, 0.30, harp, 0.006)
        for tone in chord[:3]:
            add_note(samples, bar * 4 * BEAT, tone, 3.2, 0.14, pad, 0.35)
    for beat, midi, beats in MELODY:
        add_note(samples, beat * BEAT, midi, beats * BEAT + 0.6, 0.38, flute, 0.05)
    scale = PEAK * 32767 / max(abs(s) for s in samples)
    pcm = array.array("h", (round(s * scale) for s in samples))
    if sys.byteorder == "big":
        pcm.byteswap()
    path = pathlib.Path(__file__).parent / "moh" / "default.wav"
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(pcm.tobytes())
    print(f"{path}: {len(pcm) / RATE:.3f} s, {len(pcm) * 2} bytes")


if __name__ == "__main__":
    main()
