using System.IO.Hashing;
using System.Runtime.InteropServices;
using Distributed.Core.Planning;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

internal enum SceneTargets
{
    /// <summary>See <see cref="BoxTargets"/>.</summary>
    Boxes,

    /// <summary>The class of each pixel; 0 is the background.</summary>
    Masks,
}

/// <param name="Classes">Number of classes, including the background if the targets are masks.</param>
/// <param name="MaxBoxes">Largest number of objects of a scene.</param>
internal sealed record SceneFormat(SceneTargets Targets, int Side, int Classes, int MaxBoxes) : SampleFormat
{
    public override IReadOnlyList<int> Shape => [1, Side, Side];
    public override IReadOnlyList<int> TargetShape => Targets == SceneTargets.Boxes ? [MaxBoxes, BoxTargets.RowSize] : [Side, Side];
    public override int Classes { get; init; } = Classes;
}

internal sealed class SceneSet(SceneFormat format, IReadOnlyList<Scene> scenes) : SampleSet
{
    private const float White = 255;

    public override SceneFormat Format => format;
    public override int Count => scenes.Count;
    public Scene this[int number] => scenes[number];

    protected override void Copy(int sample, Span<float> inputs, Span<float> target)
    {
        var scene = scenes[sample];
        for (var i = 0; i < inputs.Length; i++) inputs[i] = scene.Pixels[i] / White;
        if (format.Targets == SceneTargets.Boxes) BoxTargets.Write(scene.Boxes, target);
        else
            for (var i = 0; i < target.Length; i++) target[i] = scene.Mask[i];
    }

    internal override void AppendTo(XxHash128 hash)
    {
        DataSet.Append(hash, (int)format.Targets, Count, format.Side, format.Classes, format.MaxBoxes);
        var boxes = new float[format.MaxBoxes * BoxTargets.RowSize];
        foreach (var scene in scenes)
        {
            hash.Append(scene.Pixels);
            hash.Append(scene.Mask);
            BoxTargets.Write(scene.Boxes, boxes);
            hash.Append(MemoryMarshal.AsBytes<float>(boxes));
        }
    }
}

/// <param name="Pixels">Grey, row by row, 0 to 255.</param>
/// <param name="Mask">The class of each pixel plus 1; 0 for the background.</param>
/// <param name="Boxes">The objects; each box encloses the object's pixels in the mask.</param>
internal sealed record Scene(byte[] Pixels, byte[] Mask, IReadOnlyList<LabelledBox> Boxes);

// Makes scenes of images of single digits: 1 to 4 digits on a larger canvas, each of its own size and brightness, without overlap, and
// noise over all. Integers only, so that a scene has the same bytes on every machine.
internal static class SceneRecipe
{
    public const int Side = 32;
    public const int MaxDigits = 4;

    /// <summary>Side of a digit in the scene, its margin included: 1.5 to 2 times its own.</summary>
    public const int Smallest = 12, Largest = 16;
    private const int Dimmest = 192, Noise = 48, White = 255, Tries = 40;

    // A pixel with this much ink belongs to the digit.
    private const int Threshold = 96;

    /// <param name="digits">Square grey images, no larger than <see cref="Smallest"/>.</param>
    public static Scene Make(ImageSet digits, long seed, int number)
    {
        if (digits.Format is not { Channels: 1, Width: <= Smallest } || digits.Width != digits.Height)
            throw new ArgumentException($"Scenes need square grey images of at most {Smallest} rows, not {digits.Format}.", nameof(digits));
        var draws = new SceneDraws(seed, number);
        var scene = new Scene(new byte[Side * Side], new byte[Side * Side], []);
        List<Box> taken = [];
        List<LabelledBox> boxes = [];
        for (var wanted = 1 + draws.Below(MaxDigits); wanted > 0; wanted--)
        {
            var (digit, size) = (draws.Below(digits.Count), Smallest + draws.Below(Largest - Smallest + 1));
            var brightness = Dimmest + draws.Below(White + 1 - Dimmest);
            // The first digit always fits; a later one that does not fit is omitted.
            if (Place(draws, size, taken) is not { } place) continue;
            taken.Add(place);
            var label = digits.Labels[digit];
            boxes.Add(new(label, Stamp(digits, digit, brightness, place, scene, (byte)(label + 1))));
        }
        for (var i = 0; i < scene.Pixels.Length; i++) scene.Pixels[i] = (byte)Math.Min(White, scene.Pixels[i] + draws.Below(Noise));
        return scene with { Boxes = boxes };
    }

    private static Box? Place(SceneDraws draws, int size, List<Box> taken)
    {
        for (var attempt = 0; attempt < Tries; attempt++)
        {
            var (left, top) = (draws.Below(Side - size + 1), draws.Below(Side - size + 1));
            var place = new Box(left, top, left + size, top + size);
            if (!taken.Exists(other => other.Iou(place) > 0)) return place;
        }
        return null;
    }

    private static Box Stamp(ImageSet digits, int digit, int brightness, Box place, Scene scene, byte label)
    {
        var image = digits.Pixels.Slice(digit * digits.SampleSize, digits.SampleSize);
        var (left, top, right, bottom) = (Side, Side, 0, 0);
        for (var y = (int)place.Top; y < (int)place.Bottom; y++)
        {
            for (var x = (int)place.Left; x < (int)place.Right; x++)
            {
                var ink = Ink(image, digits.Width, digits.Format.Brightest, (int)place.Width, x - (int)place.Left, y - (int)place.Top);
                scene.Pixels[(y * Side) + x] = (byte)(ink * brightness / White);
                if (ink < Threshold) continue;
                scene.Mask[(y * Side) + x] = label;
                (left, top, right, bottom) = (Math.Min(left, x), Math.Min(top, y), Math.Max(right, x + 1), Math.Max(bottom, y + 1));
            }
        }
        return new(left, top, right, bottom);
    }

    // A pixel of the enlarged image, 0 to 255: bilinear, with the centres of pixels at halves, in fractions of 2 × size.
    private static int Ink(ReadOnlySpan<byte> image, int side, int brightest, int size, int x, int y)
    {
        var whole = 2 * size;
        var (column, right) = Tap(x);
        var (row, down) = Tap(y);
        var (nextColumn, nextRow) = (Math.Min(column + 1, side - 1), Math.Min(row + 1, side - 1));
        var upper = (image[(row * side) + column] * (whole - right)) + (image[(row * side) + nextColumn] * right);
        var lower = (image[(nextRow * side) + column] * (whole - right)) + (image[(nextRow * side) + nextColumn] * right);
        return ((upper * (whole - down)) + (lower * down)) * White / (brightest * whole * whole);

        (int Place, int Share) Tap(int at)
        {
            var exact = Math.Clamp((((2 * at) + 1) * side) - size, 0, (side - 1) * whole);
            return (exact / whole, exact % whole);
        }
    }

    /// <summary>Random numbers of one scene, independent of other scenes and of the machine.</summary>
    private sealed class SceneDraws(long seed, int scene)
    {
        private long _count;

        public int Below(int limit) => (int)Math.BigMul(Permutation.Mix(seed, scene, _count++), (ulong)limit, out _);
    }
}
