"""What `python -m gannotes sample` draws: the same networks, laws and numbers as anywhere else."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from gannotes import nets, weights
from gannotes.__main__ import main
from gannotes.distributions import codes, standard_normal
from gannotes.recipes import infogan, samplers, vae


def drawn(name, count=2, seed=0):
    return samplers.sample(name, count, seed)


LOST = "fgan_mnist_calm_reverse_kl"  # its game was lost, as its row of the table says


def test_a_generator_whose_game_was_lost_draws_one_grey():
    images = drawn(LOST, 16)
    assert images.amax() < 0.3
    assert images.flatten(1).std(0).max() < 0.05


@pytest.mark.parametrize("name", [name for name in samplers.SOURCES if name != LOST])
def test_every_source_draws_pictures_that_differ_in_ink(name, monkeypatch):
    monkeypatch.setattr(samplers, "BATCH", 16)
    images = drawn(name, 16)
    side = samplers.SOURCES[name].side
    assert images.shape == (16, side, side)
    assert images.dtype == torch.float32
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.amax((1, 2)).min() > 0.5
    assert images.flatten(1).std(0).max() > 0.1


def test_every_shipped_generator_of_pictures_is_a_source():
    files = {path.stem for path in weights.FOLDER.glob("*mnist*.safetensors")}
    files |= {path.stem for path in weights.FOLDER.glob("summary_digits_*.safetensors")}
    files -= {name for name in files if "reader" in name or "encoder" in name or "refined" in name}
    files -= {"mnist_classifier"}
    names = {name.removesuffix("_0").replace("decoder", "").rstrip("_") for name in files}
    shown = {name for name in names if not name.startswith("infogan_mnist_redrawn")}
    assert shown <= samplers.SOURCES.keys()


def test_a_gan_is_its_network_on_normal_noise():
    """F02: from the same random numbers, by hand."""
    G = weights.load(nets.image_generator(32), "mnist_gan")
    torch.manual_seed(3)
    expected = G(standard_normal(32).sample((samplers.BATCH,)))[:5, 0]
    torch.testing.assert_close(drawn("mnist_gan", 5, 3), expected)


def test_an_infogan_draws_its_code_behind_its_noise():
    """F03."""
    G = weights.load(infogan.infogan_generator(), "infogan_mnist_plain_0")
    torch.manual_seed(0)
    z, c = (p.sample((samplers.BATCH,)) for p in (standard_normal(62), codes((10,), 2)))
    torch.testing.assert_close(drawn("infogan_mnist_plain", 5), G(torch.cat([z, c], 1))[:5, 0])


def test_a_vae_shows_the_means_of_its_decoder():
    """F08."""
    model = weights.load(vae.digit_vae(5), "vae_mnist_5_0")
    torch.manual_seed(0)
    z = standard_normal(5).sample((samplers.BATCH,))
    torch.testing.assert_close(drawn("vae_mnist_5", 5), model.decoder(z).mean[:5, 0])


def test_a_seed_fixes_the_pictures_whatever_their_number_and_spares_the_callers(monkeypatch):
    monkeypatch.setattr(samplers, "BATCH", 7)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    many = drawn("fgan_mnist_kl", 20)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(drawn("fgan_mnist_kl", 9), many[:9])
    assert not torch.equal(drawn("fgan_mnist_kl", 9, seed=1), many[:9])
    assert len(many.unique(dim=0)) == 20
    assert [len(part) for part in samplers.draw("fgan_mnist_kl", 20)] == [7, 7, 6]


def test_the_command_leaves_an_array_and_a_sheet(tmp_path, monkeypatch):
    monkeypatch.setattr(samplers, "BATCH", 128)
    out, png = tmp_path / "digits.npy", tmp_path / "sheet.png"
    main(["sample", "fgan_mnist_kl", "--count", "130", "--seed", "2", "--out", str(out)])
    main(["sample", "fgan_mnist_kl", "--count", "20", "--seed", "2", "--png", str(png)])
    array = np.load(out)
    assert array.shape == (130, 28, 28)
    assert array.dtype == np.float32
    assert torch.equal(torch.from_numpy(array), drawn("fgan_mnist_kl", 130, 2))
    sheet = plt.imread(png)[..., 0]
    assert sheet.shape == (3 * (2 * 29 - 1), 3 * (10 * 29 - 1))
    np.testing.assert_allclose(sheet[: 3 * 28 : 3, : 3 * 28 : 3], array[0], atol=1 / 254)
    assert {path.name for path in tmp_path.iterdir()} == {"digits.npy", "sheet.png"}


def test_the_list_names_every_source(capsys):
    for words in (["sample", "--list"], ["sample"]):
        main(words)
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == list(samplers.SOURCES)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mnist_gam"], "name: expected a shipped generator, got 'mnist_gam'; did you mean"),
        (["qqq"], "name: expected a shipped generator, got 'qqq'; sample --list says which"),
        (["mnist_gan", "--count", "0"], "argument --count: expected an integer >= 1 and <="),
        (["mnist_gan", "--seed", "-1"], "argument --seed: expected an integer >= 0 and <="),
        (["mnist_gan", "--out", "x.txt"], "out: expected a .npy file in an existing folder, got"),
        (["mnist_gan", "--png", "no/x.png"], "png: expected a .png file in an existing folder"),
    ],
)
def test_a_wrong_command_is_one_sentence(words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    more = [] if "--png" in words or "--out" in words else ["--out", "x.npy"]
    with pytest.raises(SystemExit) as stop:
        main(["sample", *words, *more])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_command_without_a_file_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["sample", "mnist_gan"])
    assert "out, png: expected a file for the pictures, got neither" in capsys.readouterr().err


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (1.5, 0), (True, 0), (1, -1), (1, 2**63)])
def test_numbers_out_of_range_are_refused_before_anything_is_loaded(count, seed):
    with pytest.raises((TypeError, ValueError), match=r"(count|seed): expected an integer"):
        samplers.draw("mnist_gan", count, seed)
