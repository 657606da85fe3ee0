using static Distributed.Jobs.Allow;

namespace Distributed.Jobs;

/// <summary>The keys of what a job learns from, read and written as <see cref="JobKeys"/> does.</summary>
internal static class DataKeys
{
    private const string PathKey = "path";
    private const int MaxSide = 1024, MaxListed = 4096;

    private static readonly Leaf<string> _path = Text("a path");
    private static readonly Leaf<string?> _pathOrNull = TextOrNull(_path);
    private static readonly Leaf<string> _separator = Quoted("\",\", \";\", \"|\" or a tab (\"\\t\")", text => text is "," or ";" or "|" or "\t");

    private static readonly Kind<DataSpec>[] _own =
    [
        Kind<DataSpec>.Of<CsvData>("csv", Csv, PathKey),
        Kind<DataSpec>.Of<FolderData>("folder", Folder, PathKey),
        Kind<DataSpec>.Of<IdxData>("idx", Idx, PathKey),
        Kind<DataSpec>.Of<NpyData>("npy", Npy, PathKey),
    ];

    /// <summary>The data that goes with a kind of problem.</summary>
    public static Choice<DataSpec> Of(TaskKind kind) =>
        new([.. kind.Data.Select(name => Array.Find(_own, own => own.Name == name) ?? Kind<DataSpec>.Fixed(name, new KnownData(name)))]);

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

    /// <summary>What all kinds have: which samples are for testing, and what becomes of those that cannot be read.</summary>
    private static T Split<T>(Fields f, T data, bool hasBadSamples) where T : OwnData
    {
        string? testPath;
        return data with
        {
            TestPath = testPath = f.Value("test-path", data.TestPath, _pathOrNull),
            Test = f.Value("test", data.Test, testPath is null
                ? OrNull(Number("greater than 0, below 1", x => x is > 0 and < 1))
                : None<double>("test-path names the test set")),
            SkipsBadSamples = hasBadSamples && f.Value("on-bad-sample", data.SkipsBadSamples ? "skip" : "refuse", OneOf("refuse", "skip")) == "skip",
        };
    }

    /// <summary>What a test set with files of its own must have too.</summary>
    private static string? BesideTest(Fields f, string key, string? value, string? testPath) => testPath is null
        ? f.Value(key, value, NoText("test-path is not given"))
        : f.Required(key, value, _path);

    private static Leaf<ColumnRef> Column(bool hasHeader) => new(
        hasHeader ? "the name of a column, or its number from 1" : "the number of a column from 1, because header is false",
        (scalar, out column) =>
        {
            var isNumber = int.TryParse(scalar.Text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number);
            column = !scalar.Quoted && isNumber ? new(null, number) : new(scalar.Text, 0);
            return !scalar.IsNull;
        },
        column => column.Name is { } name ? hasHeader && IsText(name) : column.Number >= 1,
        column => column.Name is { } name ? InQuotes(name) : $"{column.Number}");
}
