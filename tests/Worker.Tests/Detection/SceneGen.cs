using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Detection;

/// <summary>Random boxes in an image of 32 by 32 pixels.</summary>
internal static class SceneGen
{
    public const int Side = 32, Classes = 3;

    public static Gen<Box> Box { get; } = Gen.Select(Gen.Float[0, 30], Gen.Float[0, 30], Gen.Float[0.5f, 16], Gen.Float[0.5f, 16])
        .Select((left, top, width, height) => new Box(left, top, Math.Min(Side, left + width), Math.Min(Side, top + height)));

    public static Gen<LabelledBox> Labelled { get; } =
        Gen.Select(Gen.Int[0, Classes - 1], Box).Select((label, box) => new LabelledBox(label, box));

    public static Gen<ScoredBox> Scored { get; } =
        Gen.Select(Gen.Int[0, Classes - 1], Box, Gen.Float[0, 1]).Select((label, box, score) => new ScoredBox(label, box, score));
}
