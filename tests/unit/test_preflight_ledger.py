"""What a scene notes of its changes, so that a statement that fails leaves nothing behind."""

from dataclasses import replace

from pgwatch.migration.preflight.objects import Column, Constraint, Index, Relation
from pgwatch.migration.preflight.scene import Scene


def table(oid: int, name: str, *, parents: tuple[int, ...] = ()) -> Relation:
    columns = (Column(name="id", type="int4", number=1),)
    return Relation(oid=oid, kind="r", schema="public", name=name, columns=columns, parents=parents)


def index(oid: int, name: str, of: int) -> Relation:
    shape = Index(table=of, unique=True, columns=(1,), shape="", plain=True)
    return Relation(oid=oid, kind="i", schema="public", name=name, index=shape)


def built() -> Scene:
    scene = Scene(schemas={"public": True})
    for one in (table(1, "house"), index(2, "house_id", 1), table(3, "garden", parents=(1,))):
        scene.put(one)
    scene.constraints[1, "small"] = Constraint(table=1, name="small", kind="c")
    return scene


def everything(scene: Scene) -> tuple[object, ...]:
    named = sorted(scene.relation_names.items())
    parts = [sorted(one.name for one in scene.indexes(1)), sorted(scene.constraints)]
    return (*named, *parts, scene.path, [one.name for one in scene.children(1)])


def change(scene: Scene) -> None:
    scene.put(replace(scene.relations[1], name="home"))
    scene.put(table(9, "house"))
    scene.put(index(10, "another", 1))
    scene.relations.pop(3)
    del scene.constraints[1, "small"]
    scene.constraints.setdefault((9, "big"), Constraint(table=9, name="big", kind="c"))
    scene.path = ("other",)


def test_undo_puts_everything_back() -> None:
    scene = built()
    before = everything(scene)
    point = scene.watch(anew=True)
    change(scene)
    assert everything(scene) != before
    scene.undo(point)
    assert everything(scene) == before


def test_undo_stops_at_its_point() -> None:
    scene = built()
    scene.watch(anew=True)
    scene.put(table(5, "first"))
    point = scene.watch()
    scene.put(table(6, "second"))
    scene.undo(point)
    assert scene.find("", "first") is not None
    assert scene.find("", "second") is None


def test_as_before_leaves_the_scene_as_it_is() -> None:
    scene = built()
    before = everything(scene)
    scene.watch(anew=True)
    change(scene)
    after = everything(scene)
    assert everything(scene.as_before()) == before
    assert everything(scene) == after


def test_a_copy_goes_its_own_way() -> None:
    scene = built()
    scene.watch(anew=True)
    other = scene.copy()
    change(other)
    assert everything(scene) == everything(built())


def test_parts_are_found_by_their_table() -> None:
    scene = built()
    assert [one.name for one in scene.indexes(1)] == ["house_id"]
    assert [one.name for one in scene.children(1)] == ["garden"]
    moved = scene.relations[2]
    assert moved.index is not None
    scene.put(replace(moved, index=replace(moved.index, table=3)))
    assert scene.indexes(1) == []
    assert [one.name for one in scene.indexes(3)] == ["house_id"]
    assert [one.table for one in scene.constraints_named("small")] == [1]
