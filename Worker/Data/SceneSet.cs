using System.IO.Hashing;
using System.Runtime.InteropServices;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

internal enum SceneTargets
{
    /// <summary>What is in it, and where; see <see cref="BoxTargets"/>.</summary>
    Boxes,

    /// <summary>What each pixel is part of: 0 for the background.</summary>
    Masks,
}

/// <summary>What the scenes of a data set have in common.</summary>
/// <param name="Classes">Number of classes, the background one of them where the targets are masks.</param>
/// <param name="MaxBoxes">Things that a scene has at most.</param>
internal sealed record SceneFormat(SceneTargets Targets, int Side, int Classes, int MaxBoxes) : SampleFormat
{
    public override IReadOnlyList<int> Shape => [1, Side, Side];

    public override IReadOnlyList<int> TargetShape => Targets == SceneTargets.Boxes ? [MaxBoxes, BoxTargets.RowSize] : [Side, Side];

    public override int Classes { get; init; } = Classes;
}

/// <param name="scenes">At least one.</param>
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
