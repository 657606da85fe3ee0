using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>
/// A user's images: PNG and JPEG files, in a folder for each class, whose name is the class's. What begins with a dot is not looked at.
/// </summary>
internal static class ImageFolder
{
    /// <summary>Bytes of raw pixels that a set may have.</summary>
    public const int MaxBytes = 1 << 30;

    /// <summary>Labels are bytes.</summary>
    public const int MaxClasses = 256;

    private const string TrainName = "train", TestName = "test";

    // Each may take a large image's memory.
    private static readonly ParallelOptions _readers = new() { MaxDegreeOfParallelism = Math.Min(4, Environment.ProcessorCount) };

    private readonly record struct Entry(string Path, byte Class);

    /// <summary>Reads a job's images.</summary>
    /// <exception cref="DataException">They cannot be read, or are no folders of classes.</exception>
    public static DataSet Load(FolderData data, long seed, DataOptions options)
    {
        var (train, test) = Roots(data, options);
        var classes = ClassesIn(train);
        if (classes.Count == 0) throw new DataException($"{train} has no subfolders; a folder for each class is expected.");
        if (classes.Count > MaxClasses) throw new DataException($"{train} has {classes.Count} subfolders; at most {MaxClasses} classes are allowed.");
        if (classes.FirstOrDefault(name => Categories.Fault(name) is not null) is { } odd) throw new DataException($"{train} has a subfolder whose name is {Categories.Fault(odd)}.");
        var format = new ImageFormat(data.Grey ? 1 : 3, data.Size[0], data.Size[1], classes.Count, 1f / byte.MaxValue);
        List<string> notes = [];
        var images = Read(train, classes, format, data.SkipsBadSamples, notes);
        if (test is null)
        {
            var split = OwnDataSets.Draw(data, images.Count, seed);
            return new(data.Name, images.Select(split.Train), images.Select(split.Test)) { Classes = classes, Notes = notes };
        }
        if (ClassesIn(test).Except(classes, StringComparer.Ordinal).FirstOrDefault() is { } unknown)
            throw new DataException($"{test} has the class '{Shown.Of(unknown)}', which {train} has not.");
        return new(data.Name, images, Read(test, classes, format, data.SkipsBadSamples, notes)) { Classes = classes, Notes = notes };
    }

    /// <summary>The folder that is trained on, and the one that is for testing; null where that is drawn.</summary>
    private static (string Train, string? Test) Roots(FolderData data, DataOptions options)
    {
        var root = options.Locate(data.Path);
        if (data.TestPath is { } path) return (root, options.Locate(path));
        if (!ClassesIn(root).Order(StringComparer.Ordinal).SequenceEqual([TestName, TrainName])) return (root, null);
        return data.Test is { } share
            ? throw new DataException($"test is {share}, but {root} has a training and a test set, in the subfolders {TrainName} and {TestName}. Leave test out, or give another path.")
            : (Path.Combine(root, TrainName), Path.Combine(root, TestName));
    }

    private static IReadOnlyList<string> ClassesIn(string root) => [.. List(root).Where(Directory.Exists).Select(Name)];

    private static ImageSet Read(string root, IReadOnlyList<string> classes, ImageFormat format, bool skipsBad, List<string> notes)
    {
        var entries = Entries(root, classes);
        if ((long)entries.Count * format.SampleSize > MaxBytes)
            throw new DataException($"{root} has {entries.Count} images; of {format.Height}x{format.Width} in {format.Channels} channel(s), at most {MaxBytes / format.SampleSize} are allowed. Make size smaller.");
        var pixels = new byte[entries.Count * format.SampleSize];
        var faults = new string?[entries.Count];
        Parallel.For(0, entries.Count, _readers, i => faults[i] = Read(entries[i].Path, format, pixels.AsSpan(i * format.SampleSize, format.SampleSize)));

        var bad = new BadSamples(root, skipsBad);
        foreach (var stray in List(root).Where(path => !Directory.Exists(path))) bad.Add($"{Shown.InFull(Name(stray))} lies beside the folders of the classes");
        var good = 0;
        var labels = new byte[entries.Count];
        for (var i = 0; i < entries.Count; i++)
        {
            if (faults[i] is { } fault)
            {
                bad.Add($"{Shown.InFull(Path.GetRelativePath(root, entries[i].Path))} {fault}");
                continue;
            }
            if (good < i) pixels.AsSpan(i * format.SampleSize, format.SampleSize).CopyTo(pixels.AsSpan(good * format.SampleSize));
            labels[good++] = entries[i].Class;
        }
        if (bad.End(good) is { } note) notes.Add(note);
        return new(pixels.AsMemory(0, good * format.SampleSize), labels.AsMemory(0, good), format.Channels, format.Height, format.Width, classes.Count, format.Scale);
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
        for (var number = 0; number < classes.Count; number++)
        {
            var folder = Path.Combine(root, classes[number]);
            // A test set need not have all classes.
            if (!Directory.Exists(folder)) continue;
            var images = List(folder);
            if (images.Count == 0) throw new DataException($"{folder} is empty; a class needs images.");
            foreach (var image in images) entries.Add(new(image, (byte)number));
        }
        return entries;
    }

    /// <summary>What is in a folder, in the order of the names' characters: the same on every machine.</summary>
    private static List<string> List(string folder)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(folder).Where(path => !Name(path).StartsWith('.')).OrderBy(Name, StringComparer.Ordinal)];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{folder} cannot be read: {error.Message}", error);
        }
    }

    private static string Name(string path) => Path.GetFileName(path);
}
