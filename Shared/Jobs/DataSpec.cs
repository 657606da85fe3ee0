namespace Distributed.Jobs;

internal abstract record DataSpec
{
    /// <summary>A data set's name, or the kind of the files that hold a user's own.</summary>
    public abstract string Name { get; }

    /// <summary>As people read it, on a line.</summary>
    public sealed override string ToString() => this is OwnData own ? $"{Name} {own.Path}" : Name;
}

internal sealed record KnownData(string Name) : DataSpec
{
    public override string Name { get; } = Name;
}

/// <summary>A user's own data: the same files for every worker, its own or sent by the coordinator.</summary>
internal abstract record OwnData : DataSpec
{
    /// <summary>Where it lies: absolute, or from the folder of data sets (--data-dir), or else from the working directory of the worker.</summary>
    public string Path { get; init; } = "";

    /// <summary>Likewise, where the test set lies that has files of its own; null where there are none.</summary>
    public string? TestPath { get; init; }

    /// <summary>The share of the samples, above 0 and below 1, that the job's seed draws for the test set; null for the test set that
    /// has files of its own, or else a fifth.</summary>
    public double? Test { get; init; }

    /// <summary>What <see cref="Test"/> is where it is not given.</summary>
    public const double DefaultTest = 0.2;

    /// <summary>Whether samples that cannot be read are left out and told, rather than refused.</summary>
    public bool SkipsBadSamples { get; init; }

    /// <summary>All files and folders that it consists of.</summary>
    public virtual IEnumerable<string> Paths => Given(Path, TestPath);

    private protected static IEnumerable<string> Given(params string?[] paths) => paths.OfType<string>();
}

/// <summary>A column of a table: one of a name, or of a number.</summary>
/// <param name="Name">Its name in the header; null for a number.</param>
/// <param name="Number">Counted from 1; 0 for a name.</param>
internal readonly record struct ColumnRef(string? Name, int Number)
{
    /// <summary>As messages call it: column 'price', column 3.</summary>
    public override string ToString() => Name is null ? $"column {Number}" : $"column '{Name}'";
}

/// <summary>A table as a text, a line a sample.</summary>
internal sealed record CsvData : OwnData
{
    public override string Name => "csv";

    /// <summary>Whether the first line has the columns' names.</summary>
    public bool Header { get; init; } = true;

    /// <summary>What stands between two values: one character.</summary>
    public string Separator { get; init; } = ",";

    /// <summary>What is to be learned: a number, or a class by its name.</summary>
    public ColumnRef Target { get; init; }

    /// <summary>What it is learned from; none for all other columns.</summary>
    public ValueList<ColumnRef> Columns { get; init; } = [];

    /// <summary>Those of them that hold names, each of which becomes an input of its own that is there or not.</summary>
    public ValueList<ColumnRef> OneHot { get; init; } = [];
}

/// <summary>Images, in a folder for each class.</summary>
internal sealed record FolderData : OwnData
{
    public override string Name => "folder";

    /// <summary>Rows and columns that all images are brought to.</summary>
    public ValueList<int> Size { get; init; } = [];

    /// <summary>Whether they are brought to shades of grey.</summary>
    public bool Grey { get; init; }
}

/// <summary>Grey images and their labels as MNIST has them, each a file in the IDX format.</summary>
internal sealed record IdxData : OwnData
{
    public override string Name => "idx";

    /// <summary>The labels of <see cref="OwnData.Path"/>.</summary>
    public string Labels { get; init; } = "";

    /// <summary>The labels of <see cref="OwnData.TestPath"/>.</summary>
    public string? TestLabels { get; init; }

    public override IEnumerable<string> Paths => Given(Path, Labels, TestPath, TestLabels);
}

/// <summary>Arrays of NumPy, whose first dimension is the samples.</summary>
internal sealed record NpyData : OwnData
{
    public override string Name => "npy";

    /// <summary>The targets of <see cref="OwnData.Path"/>.</summary>
    public string Targets { get; init; } = "";

    /// <summary>The targets of <see cref="OwnData.TestPath"/>.</summary>
    public string? TestTargets { get; init; }

    public override IEnumerable<string> Paths => Given(Path, Targets, TestPath, TestTargets);
}
