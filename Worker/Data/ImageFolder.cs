using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>A user's images: PNG and JPEG files, in folders named by their classes. Names that begin with a dot are ignored.</summary>
internal static class ImageFolder
{
    /// <summary>Largest number of bytes of the raw pixels of a set.</summary>
    public const int MaxBytes = 1 << 30;
    private const string TrainName = "train", TestName = "test";

    // Each reader may need the memory of a large image.
    private static readonly ParallelOptions _readers = new() { MaxDegreeOfParallelism = Math.Min(4, Environment.ProcessorCount) };

    public static DataSource Source { get; } = DataSource.Files<FolderData>(Load);

    private readonly record struct Entry(string Path, byte Class);

    private static DataSet Load(FolderData data, Job job, DataOptions options)
    {
        var (train, test) = Roots(data, options);
        var classes = ClassesIn(train);
        if (classes.Count == 0) throw new DataException($"{train} has no subfolders; a folder for each class is expected.");
        if (classes.Count > ImageFormat.MaxClasses)
            throw new DataException($"{train} has {classes.Count} subfolders; at most {ImageFormat.MaxClasses} classes are allowed.");
        if (classes.Select(Categories.Fault).FirstOrDefault(fault => fault is not null) is { } wrong)
            throw new DataException($"{train} has a subfolder whose name is {wrong}.");
        var format = new ImageFormat(data.Grey ? 1 : 3, data.Size[0], data.Size[1], classes.Count, 1f / byte.MaxValue);
        List<string> notes = [];
        var images = Read(train, classes, format, data.SkipsBadSamples, notes);
        if (test is not null && ClassesIn(test).Except(classes, StringComparer.Ordinal).FirstOrDefault() is { } unknown)
            throw new DataException($"{test} has the class '{Shown.Of(unknown)}', which {train} has not.");
        var others = test is null ? null : Read(test, classes, format, data.SkipsBadSamples, notes);
        var set = Split.DataSetOf(data, job.Seed, images, others, static (set, samples) => set.Select(samples));
        return set with { Classes = classes, Notes = notes };
    }

    // The folder of the training set and that of the test set; the latter is null if the seed draws the test set.
    private static (string Train, string? Test) Roots(FolderData data, DataOptions options)
    {
        var root = options.Locate(data.Path);
        if (data.TestPath is { } path) return (root, options.Locate(path));
        if (!ClassesIn(root).Order(StringComparer.Ordinal).SequenceEqual([TestName, TrainName])) return (root, null);
        return data.Test is { } share
            ? throw new DataException($"test is {share}, but {root} has a training and a test set, in the subfolders {TrainName} and "
                + $"{TestName}. Leave test out, or give another path.")
            : (Path.Combine(root, TrainName), Path.Combine(root, TestName));
    }

    private static IReadOnlyList<string> ClassesIn(string root) => [.. List(root).Where(Directory.Exists).Select(Name)];

    private static ImageSet Read(string root, IReadOnlyList<string> classes, ImageFormat format, bool skipsBad, List<string> notes)
    {
        var entries = Entries(root, classes);
        var size = format.SampleSize;
        if ((long)entries.Count * size > MaxBytes)
            throw new DataException($"{root} has {entries.Count} images; at most {MaxBytes / size} fit. Make size smaller.");
        var pixels = new byte[entries.Count * size];
        var faults = new string?[entries.Count];
        Parallel.For(0, entries.Count, _readers, i => faults[i] = Read(entries[i].Path, format, pixels.AsSpan(i * size, size)));

        var bad = new BadSamples(root, skipsBad);
        foreach (var stray in List(root).Where(path => !Directory.Exists(path)))
            bad.Add($"{Shown.InFull(Name(stray))} lies beside the folders of the classes");
        var good = bad.Good(entries.Count, FaultOf, notes);
        if (good.Count < entries.Count) pixels = Split.Gather<byte>(pixels, size, good);
        return new(pixels, good.Select(i => entries[i].Class).ToArray(), format);

        string? FaultOf(int i) =>
            faults[i] is { } fault ? $"{Shown.InFull(Path.GetRelativePath(root, entries[i].Path))} {fault}" : null;
    }

    private static string? Read(string path, ImageFormat format, Span<byte> pixels)
    {
        try
        {
            ImageFile.Read(path, format).CopyTo(pixels);
            return null;
        }
        catch (ImageException error)
        {
            return error.Message;
        }
    }

    private static List<Entry> Entries(string root, IReadOnlyList<string> classes)
    {
        List<Entry> entries = [];
        foreach (var (number, name) in classes.Index())
        {
            var folder = Path.Combine(root, name);
            // A test set need not have all classes.
            if (!Directory.Exists(folder)) continue;
            var images = List(folder);
            if (images.Count == 0) throw new DataException($"{folder} is empty; a class needs images.");
            entries.AddRange(images.Select(image => new Entry(image, (byte)number)));
        }
        return entries;
    }

    // Ordered by the characters of the names: the same on every machine.
    private static List<string> List(string folder) => UserFile.Read(folder, () => Directory.EnumerateFileSystemEntries(folder)
        .Where(path => !Name(path).StartsWith('.')).OrderBy(Name, StringComparer.Ordinal).ToList());

    private static string Name(string path) => Path.GetFileName(path);
}
