"""The table of mutations: each patch still fits the code, and its tests exist."""

from __future__ import annotations

from sandbox import dev_servers
from tests.mutation import chosen
from tests.support.mutations import MUTATIONS, Mutation

ROOT = dev_servers.CHECKOUT


def mutated(mutation: Mutation) -> str:
    return mutation.apply((ROOT / mutation.path).read_text())


def test_each_mutations_text_occurs_exactly_once():
    counts = {each.guard: (ROOT / each.path).read_text().count(each.text) for each in MUTATIONS}

    assert {guard: count for guard, count in counts.items() if count != 1} == {}


def test_each_mutation_compiles():
    compiled = [compile(mutated(each), each.path, "exec") for each in MUTATIONS]  # SyntaxError fails the test

    assert len(compiled) == len(MUTATIONS)


def test_each_mutation_is_another_one_and_has_tests():
    assert len({each.guard for each in MUTATIONS}) == len({mutated(each) for each in MUTATIONS}) == len(MUTATIONS)
    assert [path for each in MUTATIONS for path in each.tests if not (ROOT / path).is_file()] == []
    assert [each.guard for each in MUTATIONS if not each.tests] == []


def test_a_guard_is_chosen_by_its_name():
    assert [each.guard for each in chosen(guard="advisory")] == ["advisory lock not taken"]


def test_a_seed_chooses_the_same_mutations_each_time():
    assert len(set(chosen(20, seed=7))) == 20
    assert chosen(20, seed=7) == chosen(20, seed=7) != chosen(20, seed=8)
    assert chosen() == list(MUTATIONS)
