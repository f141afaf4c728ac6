"""A `Model` is refused where it is written, whatever is wrong with it, and without Keras."""

import subprocess
import sys
import typing

import pytest
from sklearn.base import clone

from forecast import Model, models
from forecast.errors import InputError
from forecast.models.catalogue import CATALOGUE

SETTINGS = [(name, setting) for name in CATALOGUE for setting in models.defaults(name)]


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_catalogue_names_the_function_and_the_settings_that_it_takes(name):
    made = models.function(name)
    assert made.__name__ == name and made.__module__ == f"forecast.models.{CATALOGUE[name].home}"
    assert typing.get_type_hints(made)["settings"] is CATALOGUE[name].settings
    assert typing.get_type_hints(made)["return"].__name__ in ("Model", "Functional")


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_a_misspelt_setting_is_refused_with_the_one_that_was_meant(name, setting):
    for write in (lambda **wrong: Model(name, **wrong), Model(name).set_params):
        with pytest.raises(InputError) as caught:
            write(**{f"{setting}z": 3})
        said = str(caught.value)
        assert said.startswith(f"model.{setting}z must be a setting of {name}, got {setting}z=3: ")
        assert said.endswith(f'did you mean "{setting}"?')


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_a_value_of_a_wrong_type_is_refused(name, setting):
    wrong = 7 if isinstance(models.defaults(name)[setting], str) else "many"
    for write in (lambda **given: Model(name, **given), Model(name).set_params):
        with pytest.raises(InputError, match=rf"^model\.{setting} must be .*, got {wrong!r}: "):
            write(**{setting: wrong})


@pytest.mark.parametrize("name", ["lstn", None, ["lstm"], 3])
def test_another_architecture_is_refused(name):
    with pytest.raises(InputError, match="^model must be an architecture, got "):
        Model(name)


def test_what_is_refused_leaves_the_model_as_it_was():
    model = Model("lstm", units=[3])
    for wrong in ({"name": "mlp"}, {"dropout": 0.1, "patch": 0}, {"name": "lstn", "patch": 2}):
        with pytest.raises(InputError):
            model.set_params(**wrong)
        assert (model.name, model.settings) == ("lstm", {"units": [3]})
    assert model.set_params(name="gru", patch=2) is model
    assert (model.name, model.settings) == ("gru", {"units": [3], "patch": 2})
    again = clone(model)
    assert again is not model and again.get_params() == model.get_params()
    assert Model("lstm").set_params(**model.get_params()).get_params() == model.get_params()


def test_writing_a_model_imports_no_keras():
    code = (
        "import sys; from forecast import Model\n"
        "from forecast.errors import InputError\n"
        "print(Model('causal_cnn', filters=4).get_params()['filters'])\n"
        "try: Model('lstm', unitz=3)\n"
        "except InputError as error: print(error)\n"
        "print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    four, sentence, heavy = said.stdout.splitlines()
    assert four == "4" and sentence.endswith('did you mean "units"?') and heavy == "set()"
