using Distributed.Jobs.Data;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Data.Scenes;

public sealed class DigitScenesTests
{
    private static readonly DataSet _boxes = DataSets.Load(DigitScenes.Boxes.Name, new DataOptions());
    private static readonly DataSet _masks = DataSets.Load(DigitScenes.Masks.Name, new DataOptions());

    [Fact]
    public void The_fingerprint_of_pixels_masks_and_boxes_is_the_same_on_every_machine() =>
        Assert.Equal("a593deddf11b14e7557fc0ecb79e95a1", _boxes.Fingerprint);

    [Fact]
    public void Both_data_sets_have_the_same_scenes_and_all_digits()
    {
        Assert.Equal((4000, 400), (_boxes.Train.Count, _boxes.Test.Count));
        foreach (var (boxes, masks) in new[] { (_boxes.Train, _masks.Train), (_boxes.Test, _masks.Test) })
        {
            var scenes = Enumerable.Range(0, boxes.Count).Select(i => (Boxes: ((SceneSet)boxes)[i], Masks: ((SceneSet)masks)[i])).ToList();
            Assert.All(scenes, scene => Assert.Equal(scene.Boxes.Pixels, scene.Masks.Pixels));
            Assert.Equal(Enumerable.Range(0, 10),
                scenes.SelectMany(scene => scene.Boxes.Boxes).Select(box => box.Class).Distinct().Order());
            Assert.Equal(Enumerable.Range(1, 4), scenes.Select(scene => scene.Boxes.Boxes.Count).Distinct().Order());
        }
    }

    [Fact]
    public void Targets_are_the_boxes_and_the_masks()
    {
        var scene = ((SceneSet)_boxes.Test)[3];
        float[] pixels = [.. scene.Pixels.Select(pixel => pixel / 255f)];
        Assert.Equal([1, 32, 32], _boxes.Test.Format.Shape);
        Assert.Equal([4, 5], _boxes.Test.Format.TargetShape);
        Assert.Equal([32, 32], _masks.Test.Format.TargetShape);
        Assert.Equal((10, 11), (_boxes.Test.Format.Classes, _masks.Test.Format.Classes));
        var (inputs, boxes) = (new float[1024], new float[20]);
        _boxes.Test.CopyTo([3], inputs, boxes);
        Assert.Equal(pixels, inputs);
        Assert.Equal(scene.Boxes, BoxTargets.Read(boxes));

        var mask = new float[1024];
        _masks.Test.CopyTo([3], inputs, mask);
        Assert.Equal(pixels, inputs);
        Assert.Equal(scene.Mask.Select(label => (float)label), mask);
    }
}
