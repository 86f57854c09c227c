"""CLIP: equal to `transformers.CLIPModel` with random weights; what is wrong with a folder is named."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from course.crossmodal.clip import Clip, ClipConfig, ClipReader, TowerConfig, load_clip
from course.data import DataError

transformers = pytest.importorskip("transformers")

VISION = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64,
          "image_size": 32, "patch_size": 8}  # fmt: skip
TEXT = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
        "vocab_size": 50, "max_position_embeddings": 12, "bos_token_id": 48, "eos_token_id": 49,
        "pad_token_id": 0}  # fmt: skip


def saved(folder, vision=None, text=None):
    """A model of `transformers` with random weights, in which every number counts, and its folder."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.CLIPConfig(
            vision_config=VISION | (vision or {}), text_config=TEXT | (text or {}), projection_dim=16
        )
        config._attn_implementation = "eager"
        model = transformers.CLIPModel(config)
        for parameter in model.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
    model.eval().save_pretrained(folder)
    return model, folder


def things(n=3):
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, 48, (n, 9), generator=generator)
    for row, end in enumerate((8, 4, 6)[:n]):
        tokens[row, end:] = 0
        tokens[row, end] = 49
    return torch.rand(n, 3, 32, 32, generator=generator), tokens


@pytest.mark.parametrize(
    ("vision", "text"),
    [
        ({}, {}),
        ({"hidden_act": "gelu", "patch_size": 16}, {"hidden_act": "gelu"}),
        ({"layer_norm_eps": 1e-3}, {"layer_norm_eps": 1e-3, "eos_token_id": 2}),
    ],
    ids=["quick gelu", "gelu", "old end"],
)
def test_vectors_scores_and_loss_are_equal(vision, text, tmp_path):
    theirs, folder = saved(tmp_path, vision, text)
    ours, (pictures, tokens) = load_clip(folder), things()
    assert not ours.training
    with torch.no_grad():
        expected = theirs(input_ids=tokens, pixel_values=pictures, return_loss=True)
        zx, zy = ours(pictures, tokens)
    torch.testing.assert_close(zx, expected.image_embeds, rtol=0, atol=1e-5)
    torch.testing.assert_close(zy, expected.text_embeds, rtol=0, atol=1e-5)
    torch.testing.assert_close(zx @ zy.T / ours.temperature, expected.logits_per_image, rtol=0, atol=1e-4)
    torch.testing.assert_close(ours.loss(pictures, tokens), expected.loss, rtol=0, atol=1e-5)


def test_gradients_are_equal(tmp_path):
    theirs, folder = saved(tmp_path)
    ours, (pictures, tokens) = load_clip(folder), things()
    ours.loss(pictures, tokens).backward()
    theirs(input_ids=tokens, pixel_values=pictures, return_loss=True).loss.backward()
    table = theirs.text_model.embeddings.token_embedding.weight.grad
    torch.testing.assert_close(
        ours.y_tower.tokens.weight.grad / table.abs().max(), table / table.abs().max(), rtol=0, atol=1e-4
    )
    torch.testing.assert_close(ours.log_scale.grad, theirs.logit_scale.grad, rtol=1e-4, atol=1e-6)


def test_what_follows_the_end_of_a_text_changes_nothing():
    model = Clip(ClipConfig.quick(50), generator=torch.Generator().manual_seed(0))
    _, tokens = things()
    other = tokens.clone()
    other[1, 5:] = 7
    torch.testing.assert_close(model.y_tower(tokens), model.y_tower(other))
    other[1, 3] = 7
    assert not torch.allclose(model.y_tower(tokens)[1], model.y_tower(other)[1])


def test_one_generator_gives_one_model():
    first, second, other = (Clip(ClipConfig.quick(20), generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    for (name, a), (_, b) in zip(first.named_parameters(), second.named_parameters(), strict=True):
        assert torch.equal(a, b), name
    assert not torch.equal(first.x_tower.positions, other.x_tower.positions)


def test_a_reader_takes_raw_pictures_and_texts(tmp_path):
    """The pictures as transformers' own processor prepares them."""
    _, folder = saved(tmp_path)
    words = {"<s>": 48, "</s>": 49, "<unk>": 0} | {word: n for n, word in enumerate(["a", "cat", "dog"], 1)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("</s>", 49), ("<s>", 48))
    tokenizer.save(str(folder / "tokenizer.json"))
    reader = ClipReader.pretrained(folder)
    texts = reader.texts(["a cat", "dog", " ".join(["cat"] * 30)])
    rows = torch.tensor([[48, 1, 2, 49, 0], [48, 3, 49, 0, 0]])
    expected = torch.nn.functional.normalize(reader.model.y_tower(rows), dim=1)
    torch.testing.assert_close(texts[:2], expected, rtol=0, atol=1e-6)
    raw = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    plain = transformers.CLIPImageProcessor(do_resize=False, do_center_crop=False, do_rescale=False)
    pixels = torch.stack([torch.as_tensor(plain(each, return_tensors="pt")["pixel_values"][0]) for each in raw])
    with torch.no_grad():
        expected = torch.nn.functional.normalize(reader.model.x_tower(pixels), dim=1)
    torch.testing.assert_close(reader.pictures(raw), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.pop("logit_scale"), r"missing \(1\): logit_scale"),
        (lambda w: w.update(extra=torch.zeros(3)), r"surplus \(1\): extra"),
        (lambda w: w.update({"text_projection.weight": torch.zeros(16, 23)}), r"text_projection.weight is \[16, 23\]"),
    ],
)
def test_wrong_weights_are_named(change, said, tmp_path):
    _, folder = saved(tmp_path)
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(DataError, match=said):
        load_clip(folder)


def test_old_files_with_numbers_of_positions_can_be_read(tmp_path):
    _, folder = saved(tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["text_model.embeddings.position_ids"] = torch.arange(12)[None]
    save_file(weights, folder / "model.safetensors")
    assert load_clip(folder).config.longest == 12


@pytest.mark.parametrize(
    ("part", "options", "said"),
    [
        (None, {"model_type": "siglip"}, "model_type 'siglip' cannot be loaded, only clip"),
        ("text_config", {"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ("vision_config", {"patch_size": None}, "does not say patch_size"),
    ],
)
def test_another_architecture_is_refused(part, options, said, tmp_path):
    _, folder = saved(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    place = config if part is None else config[part]
    place.update(options)
    if part:
        config[part] = {name: value for name, value in place.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=said):
        load_clip(folder)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda model: model.x_tower(torch.rand(1, 3, 16, 16)), r"must be \[n, channels, 32, 32\]"),
        (lambda model: model.y_tower(torch.ones(1, 17, dtype=torch.int64)), "17 tokens, this CLIP reads 16"),
        (lambda _: ClipConfig(TowerConfig(8, 1, 1, 8), TowerConfig(8, 1, 1, 8), size=30), "do not fill 30"),
    ],
)
def test_bad_input_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call(Clip(ClipConfig.quick(20)))
