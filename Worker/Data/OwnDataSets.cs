using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

internal static class OwnDataSets
{
    /// <param name="data">What the job says of it.</param>
    /// <param name="options">Where it is looked for.</param>
    /// <exception cref="DataException">It cannot be read, or does not fit the task.</exception>
    public static DataSet Load(OwnData data, TaskKind kind, long seed, DataOptions options)
    {
        var set = data switch
        {
            CsvData csv => CsvTable.Load(csv, kind, seed, options),
            FolderData folder => ImageFolder.Load(folder, seed, options),
            IdxData idx => IdxImages.Load(idx, seed, options),
            NpyData npy => NpyArrays.Load(npy, kind, seed, options),
            var other => throw new NotSupportedException($"no reader for {other}"),
        };
        return ClassFault(set.Classes, kind) is { } fault ? throw new DataException($"{data.Path}: {fault}") : set;
    }

    public static Split Draw(OwnData data, int count, long seed) => count >= 2
        ? Split.ByShare(count, data.Test ?? OwnData.DefaultTest, seed)
        : throw new DataException($"{data.Path} has one sample; a training and a test set need at least 2.");

    private static string? ClassFault(IReadOnlyList<string> classes, TaskKind kind) => true switch
    {
        _ when kind == TaskKind.BinaryClassification && classes.Count != 2 =>
            $"binary-classification tells two classes apart; there are {classes.Count}: {Listed(classes)}. For more: task: classification.",
        _ when kind == TaskKind.Classification && classes.Count < 2 => $"there is one class alone, {Listed(classes)}; classification needs at least 2.",
        _ => null,
    };

    private static string Listed(IReadOnlyList<string> names)
    {
        const int Most = 10;
        return string.Join(", ", names.Take(Most)) + (names.Count > Most ? $" and {names.Count - Most} more" : "");
    }
}
