using Distributed.Worker.Data;
using Distributed.Worker.Tasks;

namespace Distributed.Worker.Tests.Data.Scenes;

public sealed class SceneRecipeTests
{
    private static readonly ImageSet _digits = (ImageSet)Digits.Load().Train;

    private static readonly Gen<(long Seed, int Number)> _any = Gen.Select(Gen.Long, Gen.Int[0, int.MaxValue]);

    [Fact]
    public void A_scene_depends_on_its_seed_and_number_alone() => _any.Sample(which =>
    {
        var (scene, again) = (Make(which), Make(which));
        Assert.Equal(scene.Pixels, again.Pixels);
        Assert.Equal(scene.Mask, again.Mask);
        Assert.Equal(scene.Boxes, again.Boxes);
        Assert.NotEqual(scene.Pixels, Make((which.Seed ^ 1, which.Number)).Pixels);
        Assert.NotEqual(scene.Pixels, Make((which.Seed, which.Number ^ 1)).Pixels);
    }, iter: 200);

    [Fact]
    public void Boxes_lie_in_the_scene_and_enclose_the_pixels_of_the_mask() => _any.Sample(which =>
    {
        var scene = Make(which);
        Assert.InRange(scene.Boxes.Count, 1, SceneRecipe.MaxDigits);
        var covered = new bool[scene.Mask.Length];
        foreach (var (label, box) in scene.Boxes)
        {
            Assert.True(box is { Left: >= 0, Top: >= 0, Right: <= SceneRecipe.Side, Bottom: <= SceneRecipe.Side }, $"{box}");
            Assert.True(box is { Width: >= 1, Height: >= 1 }, $"{box}");
            var pixels = PixelsOf(box).ToList();
            var own = pixels.Where(pixel => scene.Mask[pixel] == label + 1).ToList();
            // Tight: each edge touches a pixel of the digit.
            Assert.Equal(
                box,
                new Box(own.Min(i => i % SceneRecipe.Side), own.Min(i => i / SceneRecipe.Side),
                    own.Max(i => i % SceneRecipe.Side) + 1, own.Max(i => i / SceneRecipe.Side) + 1));
            // It contains no pixel of another digit.
            Assert.All(pixels, pixel => Assert.True(scene.Mask[pixel] == 0 || scene.Mask[pixel] == label + 1));
            foreach (var pixel in pixels) covered[pixel] = true;
        }
        Assert.All(Enumerable.Range(0, covered.Length), pixel => Assert.True(covered[pixel] || scene.Mask[pixel] == 0));
    }, iter: 500);

    [Fact]
    public void No_two_digits_overlap_or_share_a_cell_of_the_detector() => _any.Sample(which =>
    {
        var boxes = Make(which).Boxes;
        for (var i = 0; i < boxes.Count; i++)
            for (var j = 0; j < i; j++) Assert.Equal(0, boxes[i].Box.Iou(boxes[j].Box));
        var grid = new BoxGrid(SceneRecipe.Side, 8, 10);
        var cells = new float[grid.Size];
        grid.Encode(boxes, cells);
        Assert.Equal(boxes.Count, cells[..64].Sum());
    }, iter: 1000);

    [Fact]
    public void Ink_is_bright_and_the_rest_is_noise() => _any.Sample(which =>
    {
        // Ink everywhere, so that a box is as large as its digit.
        var full = new ImageSet((byte[])[.. Enumerable.Repeat((byte)16, 64)], new byte[] { 7 }, new(1, 8, 8, 10, 1f / 16));
        var scene = SceneRecipe.Make(full, which.Seed, which.Number);
        Assert.All(scene.Boxes, box =>
        {
            Assert.Equal((7, box.Box.Height), (box.Class, box.Box.Width));
            Assert.InRange(box.Box.Width, SceneRecipe.Smallest, SceneRecipe.Largest);
            Assert.All(PixelsOf(box.Box), pixel => Assert.InRange(scene.Pixels[pixel], 192, 255));
        });
        Assert.All(Enumerable.Range(0, scene.Pixels.Length).Where(pixel => scene.Mask[pixel] == 0), pixel =>
            Assert.InRange(scene.Pixels[pixel], 0, 47));
    }, iter: 100);

    [Fact]
    public void Images_other_than_small_squares_are_rejected() => Assert.Contains(
        "square grey images", Assert.Throws<ArgumentException>(() =>
            SceneRecipe.Make(new(new byte[12], new byte[1], new(1, 4, 3, 10, 1)), 1, 0)).Message, StringComparison.Ordinal);

    private static Scene Make((long Seed, int Number) which) => SceneRecipe.Make(_digits, which.Seed, which.Number);

    private static IEnumerable<int> PixelsOf(Box box) =>
        from y in Enumerable.Range((int)box.Top, (int)box.Height)
        from x in Enumerable.Range((int)box.Left, (int)box.Width)
        select (y * SceneRecipe.Side) + x;
}
