namespace Distributed.Worker.Data;

/// <summary>
/// Makes scenes of images of single digits: 1 to 4 of them on a larger canvas, each of its own size and brightness, none upon another, and
/// noise over all. Whole numbers only, so that a scene is the same bytes on every machine.
/// </summary>
internal static class SceneRecipe
{
    public const int Side = 32;

    /// <summary>Digits that a scene has at most.</summary>
    public const int MaxDigits = 4;

    /// <summary>Rows and columns of a digit, its margin included: from one and a half times to twice its own.</summary>
    public const int Smallest = 12, Largest = 16;

    private const int Dimmest = 192, Noise = 48, White = 255, Tries = 40;

    /// <summary>Ink from which on a pixel is part of the digit.</summary>
    private const int Threshold = 96;

    /// <param name="digits">Where the digits are taken from: square, grey, no larger than <see cref="Smallest"/>.</param>
    public static Scene Make(ImageSet digits, long seed, int number)
    {
        if (digits is not { Channels: 1 } || digits.Width != digits.Height || digits.Width > Smallest)
            throw new ArgumentException($"Scenes are made of square grey images of at most {Smallest} rows; these are {digits.Format}.", nameof(digits));
        var draws = new SceneDraws(seed, number);
        var scene = new Scene(new byte[Side * Side], new byte[Side * Side], []);
        List<Box> taken = [];
        List<LabelledBox> boxes = [];
        for (var wanted = 1 + draws.Below(MaxDigits); wanted > 0; wanted--)
        {
            var (digit, size, brightness) = (draws.Below(digits.Count), Smallest + draws.Below(Largest - Smallest + 1), Dimmest + draws.Below(White + 1 - Dimmest));
            // There is room for the first always; one that there is none for is left out.
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

    /// <returns>The box around the pixels that are part of the digit.</returns>
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

    /// <summary>A pixel of an enlarged image, 0 to 255: bilinear, with the centres of pixels at halves, in fractions of 2 × size.</summary>
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
}
