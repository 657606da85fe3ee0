using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Jobs.Runs;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>The data sets that a job can name.</summary>
internal static class DataSets
{
    private static readonly Dictionary<string, (SampleFormat Format, Func<DataOptions, DataSet> Load)> _known = new(StringComparer.Ordinal)
    {
        [Digits.Name] = (Digits.Format, _ => Digits.Load()),
        [FashionMnistFiles.Name] = (FashionMnist.Format, FashionMnist.Load),
        [EmbeddedTable.BreastCancer.Name] = (EmbeddedTable.BreastCancer.Format, _ => EmbeddedTable.BreastCancer.Load()),
        [EmbeddedTable.Diabetes.Name] = (EmbeddedTable.Diabetes.Format, _ => EmbeddedTable.Diabetes.Load()),
        [DigitScenes.Boxes] = (DigitScenes.FormatOf(SceneTargets.Boxes), _ => DigitScenes.Load(SceneTargets.Boxes)),
        [DigitScenes.Masks] = (DigitScenes.FormatOf(SceneTargets.Masks), _ => DigitScenes.Load(SceneTargets.Masks)),
    };

    /// <summary>Every name that <see cref="Load(string, DataOptions)"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. _known.Keys];

    /// <exception cref="DataException">It is missing or malformed, or does not fit the task.</exception>
    public static DataSet Load(Job job, DataOptions options) => job.Data switch
    {
        KnownData known => Load(known.Name, options),
        OwnData own => OwnDataSets.Load(own, job.Kind, job.Seed, options),
        var other => throw new NotSupportedException($"no reader for {other}"),
    };

    /// <summary>Loads a data set into memory; may download it (see <see cref="FashionMnist.Load"/>).</summary>
    /// <exception cref="DataException">The name is unknown, or the data is missing or malformed.</exception>
    public static DataSet Load(string name, DataOptions options) => Find(name).Load(options) with { Classes = LabelsOf(name) };

    /// <summary>What whoever uses a model of it must know.</summary>
    public static DataDescription Describe(this DataSet data) => new()
    {
        Data = data.Name,
        Shape = data.Train.Format.Shape,
        Classes = data.Classes,
        Scale = (data.Train.Format as ImageFormat)?.Scale,
        Notes = data.Notes,
    };

    /// <summary>What whoever uses a model of a data set must know, without reading it.</summary>
    /// <exception cref="DataException">The name is unknown.</exception>
    public static DataDescription Describe(string name)
    {
        var format = FormatOf(name);
        return new() { Data = name, Shape = format.Shape, Classes = LabelsOf(name), Scale = (format as ImageFormat)?.Scale };
    }

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
