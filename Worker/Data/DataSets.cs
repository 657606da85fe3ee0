using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Jobs.Runs;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>A data set with a name of its own, or a kind of a user's own files.</summary>
/// <param name="Format">The samples' shape, known without reading them; null for a user's own files.</param>
internal sealed record DataSource(
    string Name, SampleFormat? Format, IReadOnlyList<string> Classes, Func<Job, DataOptions, DataSet> Load)
{
    /// <param name="classes">Names of the classes; null if they are called by their numbers.</param>
    public static DataSource Known(string name, SampleFormat format, Func<DataOptions, DataSet> load, params string[]? classes)
    {
        var names = classes is { Length: > 0 } ? classes : Numbers(format.Classes);
        return new(name, format, names, (_, options) => load(options) with { Classes = names });
    }

    public static DataSource Files<TData>(Func<TData, Job, DataOptions, DataSet> load) where TData : OwnData, new() =>
        new(new TData().Name, null, [], (job, options) => load((TData)job.Data, job, options));

    public static IReadOnlyList<string> Numbers(int classes) => [.. Enumerable.Range(0, classes).Select(number => $"{number}")];
}

/// <summary>Reads a user's files and turns errors of the file system into messages about the data.</summary>
internal static class UserFile
{
    public static T Read<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{path} cannot be read: {error.Message}", error);
        }
    }
}

/// <summary>All data that a job can name. A new source is a class with a <see cref="DataSource"/> and an entry in this table.</summary>
internal static class DataSets
{
    private static readonly DataSource[] _sources =
    [
        Digits.Source, FashionMnist.Source, EmbeddedTable.BreastCancer, EmbeddedTable.Diabetes, DigitScenes.Boxes, DigitScenes.Masks,
        CsvTable.Source, ImageFolder.Source, IdxImages.Source, NpyArrays.Source,
    ];

    /// <summary>The data sets with names of their own.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. _sources.Where(source => source.Format is not null).Select(source => source.Name)];

    public static DataSet Load(Job job, DataOptions options)
    {
        if (job.Data is not OwnData own) return Load(job.Data.Name, options);
        var source = Array.Find(_sources, source => source.Name == own.Name) ?? throw new NotSupportedException($"no reader for {own}");
        var set = source.Load(job, options);
        return ClassFault(set.Classes, job.Kind) is { } fault ? throw new DataException($"{own.Path}: {fault}") : set;
    }

    /// <summary>Loads a data set of <see cref="Names"/>; may download it.</summary>
    public static DataSet Load(string name, DataOptions options) => Find(name).Load(Job.Default, options);

    public static DataDescription Describe(this DataSet data) => Describe(data.Name, data.Train.Format, data.Classes, data.Notes);

    public static DataDescription Describe(string name) => Describe(name, FormatOf(name), Find(name).Classes, []);

    public static SampleFormat FormatOf(string name) => Find(name).Format!;

    private static DataDescription Describe(
        string name, SampleFormat format, IReadOnlyList<string> classes, IReadOnlyList<string> notes) =>
        new() { Data = name, Shape = format.Shape, Classes = classes, Scale = (format as ImageFormat)?.Scale, Notes = notes };

    private static DataSource Find(string name) => Array.Find(_sources, source => source.Name == name && source.Format is not null)
        ?? throw new DataException($"Unknown data set '{name}'. Allowed: {string.Join(", ", Names)}.");

    private static string? ClassFault(IReadOnlyList<string> classes, TaskKind kind)
    {
        const int Most = 10;
        var listed = string.Join(", ", classes.Take(Most)) + (classes.Count > Most ? $" and {classes.Count - Most} more" : "");
        if (kind == TaskKind.BinaryClassification && classes.Count != 2)
            return $"binary-classification tells two classes apart; there are {classes.Count}: {listed}. For more: task: classification.";
        return kind == TaskKind.Classification && classes.Count < 2
            ? $"there is one class alone, {listed}; classification needs at least 2."
            : null;
    }
}
