"""Rewriting of the face pack's files as they run: `python -m regulars_lab.models.face_pack FROM
INTO`.

FROM holds the ONNX files as they were published or converted ([[source]] in the manifest has their
sha256), INTO gets them rewritten. It is done once for all who run them, and not at each start:

1. PReLU takes onnxruntime 3 to 5 ns a value, and its tensors leave the blocked layout of fast
   convolutions: that was 60 % of an embedding's time. One slope for all channels becomes LeakyRelu.
   A slope per channel becomes a x + (1 - a) relu(x), which is the same but for rounding.
2. The detector ends in four branches a stride, of 1, 1, 4 and 10 channels. A fast convolution
   computes 16 at a time, so one branch of 16 takes a quarter of the time: a twentieth to a tenth of
   the detector's. Its values are the same but for rounding.
3. onnxruntime optimises the graph as far as that fits every processor. That is a third of the time
   of a load. The layout of convolutions, which depends on the processor, stays for the load.
4. A network of 22 MB keeps its weights as float16, with a Cast before their use, which onnxruntime
   carries out once at the load. Its scores stay the same to 0.001.
5. MobileFaceNet takes pixels of 0 to 255, as the others do, and any number of faces.

It needs onnx 1.19 or newer, which the project does not install. onnxruntime 1.32.0 wrote the files
that are in use.
"""

from __future__ import annotations

import hashlib
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

PACK = Path(__file__).resolve().parents[4] / "chalicelib" / "model_packs" / "face-pack-4"
ERRORS_ONLY = 3
LARGE_BYTES = 16_000_000
LEAST_HALVED = 1_000
"""Size of a file whose weights are kept as float16, and the fewest values of such a weight."""

SCALED = "mobilefacenet.onnx"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, of red, green and blue, as parts of 255: what the pixels of SCALED are scaled by."""


def main(given: Path, target: Path) -> int:
    """Rewrite each file of the manifest; return 1 if one has other bytes than the pack's."""
    table = tomllib.loads((PACK / "manifest.toml").read_text(encoding="utf-8"))
    same, made_of = True, {source["gives"] for source in table["source"]}
    for file in (file for file in table["file"] if file["name"] in made_of):
        before = (given / file["name"]).read_bytes()
        if digest(before) not in {
            source["sha256"] for source in table["source"] if source["gives"] == file["name"]
        }:
            sys.exit(f"{given / file['name']} is not what the pack's file was made of")
        made, model = target / file["name"], onnx.load_from_string(before)
        if made.name == SCALED:
            scale_pixels(model.graph)
        rewrite(model, made)
        found = digest(made.read_bytes())
        same = same and found == file["sha256"]
        print(
            f"{found}  {made.stat().st_size:>8}  "
            f"{'as in' if found == file['sha256'] else 'not as in'} the pack  {made}"
        )
    return 0 if same else 1


def rewrite(model: onnx.ModelProto, made: Path) -> None:
    """Write the model as it runs into the file `made`."""
    replace_prelu(model.graph)
    join_branches(model.graph)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(made)
    options.log_severity_level = ERRORS_ONLY
    onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    if made.stat().st_size > LARGE_BYTES:
        onnx.save(halve_weights(onnx.load(made)), made)


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Keep the weights as float16; a Cast makes float32 of each again."""
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size >= LEAST_HALVED:
            name, half = weight.name, f"{weight.name}/half"
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half))
            casts.append(helper.make_node("Cast", [half], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def scale_pixels(graph: onnx.GraphProto) -> None:
    """Let the network take pixels of 0 to 255, and any number of faces at once.

    The scale cannot be folded into the first convolution, which pads its input with 0, the mean.
    """
    (source,), (target,) = graph.input, graph.output
    for shown in (source, target):
        shown.type.tensor_type.shape.dim[0].dim_param = "faces"
    numbers = target.type.tensor_type.shape.dim[1].dim_value
    for node in graph.node:
        if target.name in node.output:  # it is reshaped to one row
            graph.initializer.append(numpy_helper.from_array(np.array([-1, numbers]), "rows"))
            node.input[1] = "rows"
        node.input[:] = ["scaled" if name == source.name else name for name in node.input]
    scales = {"factor": [1 / (255 * one) for one in DEVIATION]}
    scales["offset"] = [-mean / one for mean, one in zip(MEAN, DEVIATION, strict=True)]
    for name, values in scales.items():
        graph.initializer.append(
            numpy_helper.from_array(np.array(values, np.float32).reshape(1, 3, 1, 1), name)
        )
    graph.node.insert(0, helper.make_node("Add", ["wide", "offset"], ["scaled"]))
    graph.node.insert(0, helper.make_node("Mul", [source.name, "factor"], ["wide"]))


def replace_prelu(graph: onnx.GraphProto) -> None:
    """Put operations that onnxruntime runs fast in the place of each PReLU."""
    weights = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        (source, slope), (target,) = node.input, node.output
        if weights[slope].size == 1:
            nodes.append(
                helper.make_node("LeakyRelu", [source], [target], alpha=weights[slope].item())
            )
            continue
        relu, rest, below, above = (
            f"{target}/{name}" for name in ("relu", "rest", "below", "above")
        )
        graph.initializer.append(numpy_helper.from_array(1 - weights[slope], rest))
        nodes += [
            helper.make_node("Relu", [source], [relu]),
            helper.make_node("Mul", [source, slope], [below]),
            helper.make_node("Mul", [relu, rest], [above]),
            helper.make_node("Add", [below, above], [target]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)


BRANCHES = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
"""Answers of the detector for each cell, and their numbers of values. The single ones pass a
sigmoid."""


def join_branches(graph: onnx.GraphProto) -> None:
    """Put one branch for each stride in the place of the detector's four.

    Other graphs stay as they are.
    """
    makers = {name: node for node in graph.node for name in node.output}
    weights = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    answers = {output.name for output in graph.output}
    strides = [output.name[4:] for output in graph.output if output.name.startswith("cls_")]
    kept = [node for node in graph.node if not (strides and answers.intersection(node.output))]
    for stride in strides:
        ends = [_convolutions(makers, f"{branch}_{stride}") for branch in BRANCHES]
        source = ends[0][0].input[0]
        for step, (padding, groups) in enumerate(((0, 1), (1, sum(BRANCHES.values())))):
            made = f"cells_{stride}/{step}"
            for number, part in enumerate(("weight", "bias"), start=1):
                joined = np.concatenate([weights[each[step].input[number]] for each in ends])
                graph.initializer.append(numpy_helper.from_array(joined, f"{made}/{part}"))
            inputs = [source, f"{made}/weight", f"{made}/bias"]
            kept.append(helper.make_node("Conv", inputs, [made], pads=[padding] * 4, group=groups))
            source = made
        cells = {branch: f"cells_{stride}/{branch}" for branch in BRANCHES}
        kept.append(helper.make_node("Transpose", [source], [f"cells_{stride}"], perm=[0, 2, 3, 1]))
        kept.append(
            helper.make_node(
                "Split", [f"cells_{stride}"], [*cells.values()], axis=3, split=[*BRANCHES.values()]
            )
        )
        for branch, size in BRANCHES.items():
            shape, answer = f"{cells[branch]}/shape", f"{branch}_{stride}"
            graph.initializer.append(numpy_helper.from_array(np.array([0, -1, size]), shape))
            rows = answer if size > 1 else f"{cells[branch]}/rows"
            kept.append(helper.make_node("Reshape", [cells[branch], shape], [rows]))
            if size == 1:
                kept.append(helper.make_node("Sigmoid", [rows], [answer]))
    del graph.node[:]
    graph.node.extend(_choose_needed_nodes(kept, answers))


def _choose_needed_nodes(
    nodes: Sequence[onnx.NodeProto], answers: Iterable[str]
) -> list[onnx.NodeProto]:
    """Leave out the nodes that no answer needs: onnxruntime would run them."""
    names, needed = {*answers}, list[onnx.NodeProto]()
    for node in reversed(nodes):
        if names.intersection(node.output):
            names.update(node.input)
            needed.insert(0, node)
    return needed


def _convolutions(makers: Mapping[str, onnx.NodeProto], answer: str) -> list[onnx.NodeProto]:
    """Return the two convolutions before an answer, the last one last."""
    found: list[onnx.NodeProto] = []
    while len(found) < 2:
        node = makers[answer]
        found[:0] = [node] if node.op_type == "Conv" else []
        answer = node.input[0]
    return found


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
