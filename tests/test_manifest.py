"""What ships is what was tested: `gannotes.manifest`."""

import hashlib
import shutil
import subprocess

import pytest

from gannotes import manifest, nets, results, weights


def test_the_list_names_every_shipped_file_and_no_other():
    names = [path.relative_to(manifest.PACKAGE).as_posix() for path in manifest.shipped()]
    assert sorted(manifest.listed()) == sorted(names)
    assert len(names) > 60


@pytest.mark.parametrize("path", manifest.shipped(), ids=lambda path: path.name)
def test_every_shipped_file_is_what_was_tested(path):
    assert (
        hashlib.sha256(path.read_bytes()).hexdigest()
        == manifest.listed()[path.relative_to(manifest.PACKAGE).as_posix()]
    )


def test_sha256sum_agrees():
    command = ["sha256sum", "--check", "--quiet", "--strict", "MANIFEST"]
    subprocess.run(command, cwd=manifest.PACKAGE, check=True)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of two siblings in a package of their own, with a list of its own."""
    for folder, names in (
        ("weights", ["summary_digits_gan_0.safetensors", "summary_digits_ls_gan_0.safetensors"]),
        ("results", ["scapes.csv"]),
    ):
        (tmp_path / folder).mkdir()
        for name in names:
            shutil.copy(manifest.PACKAGE / folder / name, tmp_path / folder)
    monkeypatch.setattr(manifest, "PACKAGE", tmp_path)
    monkeypatch.setattr(manifest, "LIST", tmp_path / "MANIFEST")
    monkeypatch.setattr(weights, "FOLDER", tmp_path / "weights")
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    manifest.write()
    yield tmp_path
    manifest.listed.cache_clear()


def test_weights_exchanged_for_their_sibling_are_refused(package):
    shutil.copy(
        package / "weights/summary_digits_ls_gan_0.safetensors",
        package / "weights/summary_digits_gan_0.safetensors",
    )
    with pytest.raises(ValueError, match=r"weights/summary_digits_gan_0.safetensors: expected"):
        weights.load(nets.critic(2, 4), "summary_digits_gan_0")


def test_a_table_with_another_digit_is_refused(package):
    table = package / "results/scapes.csv"
    results.load("scapes")
    table.write_text(table.read_text().replace("8", "7", 1))
    with pytest.raises(ValueError, match=r"results/scapes.csv: expected the SHA-256"):
        results.load("scapes")
