#!/usr/bin/env python3
"""Renders the English words of manifest.toml that have no Chinese text: teens, tens, months, ordinals, weekdays.

Needs numpy, onnxruntime, espeak-ng and sox, and of Kokoro-82M v1.0 (Apache-2.0): the ONNX export, its vocabulary as JSON
(symbol to number) and the voice af_heart as float32 [510, 1, 256]. Nothing of it is needed at run time.

    python3 prompts/make_words.py model.onnx vocab.json af_heart.bin
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

import numpy
import onnxruntime

HERE = pathlib.Path(__file__).parent
RATE = 24_000
# What espeak-ng writes and the model was not taught.
FOREIGN = [("ʲ", "j"), ("r", "ɹ"), ("x", "k"), ("ɬ", "l")]
# Trimmed to what is louder than -46 dB, 20 ms of silence around it, high-passed, the peak at -3 dB.
EDGE = ["silence", "1", "0.005", "-46d", "reverse"]
SOX = ["gain", "-6", "highpass", "120", *EDGE, *EDGE, "pad", "0.02", "0.02", "gain", "-n", "-3"]


def phonemes(text):
    told = ["espeak-ng", "--ipa", "-q", "-v", "en-us", text]
    spoken = subprocess.run(told, capture_output=True, text=True, check=True).stdout.strip().replace("\n", " ")
    for foreign, known in FOREIGN:
        spoken = spoken.replace(foreign, known)
    return re.sub(r"(?<=nˈaɪn)ti(?!ː)", "di", spoken) + "."


def main(model, vocabulary, voice):
    numbers = json.loads(pathlib.Path(vocabulary).read_text())
    numbers = numbers.get("vocab", numbers)
    styles = numpy.fromfile(voice, dtype=numpy.float32).reshape(-1, 1, 256)
    session = onnxruntime.InferenceSession(model)
    manifest = tomllib.loads((HERE / "manifest.toml").read_text())
    for prompt in manifest["prompt"]:
        if "zh" in prompt:
            continue
        tokens = [numbers[symbol] for symbol in phonemes(prompt["en"]) if symbol in numbers]
        fed = {
            "tokens": numpy.array([[0, *tokens, 0]], dtype=numpy.int64),
            "style": styles[len(tokens)],
            "speed": numpy.array([1.0], dtype=numpy.float32),
        }
        samples = session.run(None, fed)[0].reshape(-1).astype(numpy.float32)
        with tempfile.NamedTemporaryFile(suffix=".f32") as raw:
            samples.tofile(raw)
            raw.flush()
            given = ["-t", "raw", "-r", str(RATE), "-e", "floating-point", "-b", "32", "-c", "1", raw.name]
            made = ["-b", "16", "-r", "8000", "-c", "1", str(HERE / "en" / f"{prompt['id']}.wav")]
            subprocess.run(["sox", *given, *made, *SOX], check=True)
        print(prompt["id"], prompt["en"])


if __name__ == "__main__":
    main(*sys.argv[1:])
