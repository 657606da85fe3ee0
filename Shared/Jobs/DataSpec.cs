using System.Globalization;
using static Distributed.Jobs.Allow;

namespace Distributed.Jobs;

internal abstract record DataSpec
{
    public abstract string Name { get; } // The name of a known data set, or the kind of the user's own files.

    public sealed override string ToString() => this is OwnData own ? $"{Name} {own.Path}" : Name;
}

internal sealed record KnownData(string Name) : DataSpec
{
    public override string Name { get; } = Name;
}

/// <summary>A user's own data: every worker has the same files, locally or sent by the coordinator.</summary>
internal abstract record OwnData : DataSpec
{
    public const double DefaultTest = 0.2; // The share of a test set where Test is null and the test set has no files of its own.

    /// <summary>Absolute, or relative to the folder of data sets (--data-dir), or else to the working directory of the worker.</summary>
    public string Path { get; init; } = "";

    public string? TestPath { get; init; } // The files of a separate test set; null if there are no such files.

    /// <summary>The share of the samples, above 0 and below 1, that the job's seed draws for the test set; null for the default.</summary>
    public double? Test { get; init; }

    public bool SkipsBadSamples { get; init; } // Whether unreadable samples are skipped and reported instead of refused.
    public virtual IEnumerable<string> Paths => Given(Path, TestPath);

    private protected static IEnumerable<string> Given(params string?[] paths) => paths.OfType<string>();
}

/// <summary>A column of a table, by its name or by its number from 1, which is 0 if there is a name.</summary>
internal readonly record struct ColumnRef(string? Name, int Number)
{
    public override string ToString() => Name is null ? $"column {Number}" : $"column '{Name}'";
}

/// <summary>A table as text, one sample per line.</summary>
internal sealed record CsvData : OwnData
{
    public override string Name => "csv";
    public bool Header { get; init; } = true; // Whether the first line has the names of the columns.
    public string Separator { get; init; } = ","; // One character.

    public ColumnRef Target { get; init; }
    public ValueList<ColumnRef> Columns { get; init; } = []; // The inputs; empty for all other columns.
    public ValueList<ColumnRef> OneHot { get; init; } = []; // The input columns with categories; each category becomes an input of 0 or 1.
}

/// <summary>Images in one folder per class.</summary>
internal sealed record FolderData : OwnData
{
    public override string Name => "folder";
    public ValueList<int> Size { get; init; } = []; // Rows and columns to which all images are scaled.
    public bool Grey { get; init; }
}

/// <summary>Grey images and their labels in the IDX format of MNIST.</summary>
internal sealed record IdxData : OwnData
{
    public override string Name => "idx";
    public string Labels { get; init; } = "";
    public string? TestLabels { get; init; }
    public override IEnumerable<string> Paths => Given(Path, Labels, TestPath, TestLabels);
}

/// <summary>NumPy arrays, whose first dimension is the samples.</summary>
internal sealed record NpyData : OwnData
{
    public override string Name => "npy";
    public string Targets { get; init; } = "";
    public string? TestTargets { get; init; }
    public override IEnumerable<string> Paths => Given(Path, Targets, TestPath, TestTargets);
}

/// <summary>The keys of a job's data, read and written as <see cref="JobKeys"/> does.</summary>
internal static class DataKeys
{
    private const string PathKey = "path";
    private const int MaxSide = 1024, MaxListed = 4096;

    private static readonly Leaf<string> _path = Text("a path");
    private static readonly Leaf<string?> _pathOrNull = TextOrNull(_path);
    private static readonly Leaf<string> _separator =
        Quoted("\",\", \";\", \"|\" or a tab (\"\\t\")", text => text is "," or ";" or "|" or "\t");

    private static readonly Kind<DataSpec>[] _own =
    [
        Kind<DataSpec>.Of<CsvData>("csv", Csv, PathKey),
        Kind<DataSpec>.Of<FolderData>("folder", Folder, PathKey),
        Kind<DataSpec>.Of<IdxData>("idx", Idx, PathKey),
        Kind<DataSpec>.Of<NpyData>("npy", Npy, PathKey),
    ];

    public static Choice<DataSpec> Of(TaskKind kind) => new([.. kind.Data.Select(name =>
        Array.Find(_own, own => own.Name == name) ?? Kind<DataSpec>.Fixed(name, new KnownData(name)))]);

    private static CsvData Csv(Fields f, CsvData data)
    {
        bool hasHeader;
        return Split(f, data with
        {
            Path = f.Required(PathKey, data.Path, _path),
            Header = hasHeader = f.Value("header", data.Header, Flag),
            Separator = f.Value("separator", data.Separator, _separator),
            Target = f.Required("target", data.Target, Column(hasHeader)),
            Columns = f.Value("columns", data.Columns, ListOf(Column(hasHeader), 0, MaxListed)),
            OneHot = f.Value("one-hot", data.OneHot, ListOf(Column(hasHeader), 0, MaxListed)),
        }, hasBadSamples: true);
    }

    private static FolderData Folder(Fields f, FolderData data) => Split(f, data with
    {
        Path = f.Required(PathKey, data.Path, _path),
        Size = f.Required("size", data.Size, ListOf(Whole(1, MaxSide), 2, 2)),
        Grey = f.Value("grey", data.Grey, Flag),
    }, hasBadSamples: true);

    private static IdxData Idx(Fields f, IdxData data)
    {
        var read = Split(f, data with
        {
            Path = f.Required(PathKey, data.Path, _path),
            Labels = f.Required("labels", data.Labels, _path),
        }, hasBadSamples: false);
        return read with { TestLabels = BesideTest(f, "test-labels", data.TestLabels, read.TestPath) };
    }

    private static NpyData Npy(Fields f, NpyData data)
    {
        var read = Split(f, data with
        {
            Path = f.Required(PathKey, data.Path, _path),
            Targets = f.Required("targets", data.Targets, _path),
        }, hasBadSamples: true);
        return read with { TestTargets = BesideTest(f, "test-targets", data.TestTargets, read.TestPath) };
    }

    private static T Split<T>(Fields f, T data, bool hasBadSamples) where T : OwnData
    {
        string? testPath;
        return data with
        {
            TestPath = testPath = f.Value("test-path", data.TestPath, _pathOrNull),
            Test = f.Value("test", data.Test, testPath is null
                ? OrNull(Number("greater than 0, below 1", x => x is > 0 and < 1))
                : Null<double?>("test-path names the test set")),
            SkipsBadSamples = hasBadSamples
                && f.Value("on-bad-sample", data.SkipsBadSamples ? "skip" : "refuse", OneOf("refuse", "skip")) == "skip",
        };
    }

    /// <summary>The path of a file that accompanies a test set with files of its own.</summary>
    private static string? BesideTest(Fields f, string key, string? value, string? testPath) => testPath is null
        ? f.Value(key, value, Null<string?>("test-path is not given"))
        : f.Required(key, value, _path);

    private static Leaf<ColumnRef> Column(bool hasHeader) => new(
        hasHeader ? "the name of a column, or its number from 1" : "the number of a column from 1, because header is false",
        (scalar, out column) =>
        {
            var isNumber = int.TryParse(scalar.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var number);
            column = !scalar.Quoted && isNumber ? new(null, number) : new(scalar.Text, 0);
            return !scalar.IsNull;
        },
        column => column.Name is { } name ? hasHeader && IsText(name) : column.Number >= 1,
        column => column.Name is { } name ? Quote(name) : $"{column.Number}");
}
