using Distributed.Shared.Jobs;
using Distributed.Worker.Data.Scenes;

namespace Distributed.Worker.Data;

/// <summary>The data sets that a job can name.</summary>
public static class DataSets
{
    private static readonly Dictionary<string, (SampleFormat Format, Func<DataOptions, DataSet> Load)> _known = new(StringComparer.Ordinal)
    {
        [Digits.Name] = (Digits.Format, _ => Digits.Load()),
        [FashionMnist.Name] = (FashionMnist.Format, FashionMnist.Load),
        [EmbeddedTable.BreastCancer.Name] = (EmbeddedTable.BreastCancer.Format, _ => EmbeddedTable.BreastCancer.Load()),
        [EmbeddedTable.Diabetes.Name] = (EmbeddedTable.Diabetes.Format, _ => EmbeddedTable.Diabetes.Load()),
        [DigitScenes.Boxes] = (DigitScenes.FormatOf(SceneTargets.Boxes), _ => DigitScenes.Load(SceneTargets.Boxes)),
        [DigitScenes.Masks] = (DigitScenes.FormatOf(SceneTargets.Masks), _ => DigitScenes.Load(SceneTargets.Masks)),
    };

    /// <summary>Every name that <see cref="Load"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. _known.Keys];

    /// <summary>Loads a data set into memory; may download it (see <see cref="FashionMnist.Load"/>).</summary>
    /// <exception cref="DataException">The name is unknown, or the data is missing or malformed.</exception>
    public static DataSet Load(string name, DataOptions options) => Find(name).Load(options);

    /// <summary>What the samples of a data set are like, without reading them.</summary>
    /// <exception cref="DataException">The name is unknown.</exception>
    public static SampleFormat FormatOf(string name) => Find(name).Format;

    /// <summary>The names of a data set's classes, in their order: numbers where it has no others.</summary>
    /// <exception cref="DataException">The name is unknown.</exception>
    public static IReadOnlyList<string> LabelsOf(string name) =>
        ClassNames.Of(name, FormatOf(name).Classes);

    private static (SampleFormat Format, Func<DataOptions, DataSet> Load) Find(string name) =>
        _known.TryGetValue(name, out var found) ? found : throw new DataException($"Unknown data set '{name}'. Allowed: {string.Join(", ", Names)}.");
}
