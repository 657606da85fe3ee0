using Distributed.Core;
using Distributed.Jobs;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Data;

/// <summary>A user's own files in the formats of NumPy and MNIST.</summary>
public sealed class OwnArraysTests : IDisposable
{
    private static readonly NpyData _npy = new() { Path = "x.npy", Targets = "y.npy", Test = 0.5 };
    private static readonly IdxData _idx = new() { Path = "images", Labels = "labels.gz", Test = 0.5 };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Arrays_are_used_unchanged()
    {
        Write("x.npy", NpyBytes.Of<double>("<f8", [4, 2], [1, 10, 2, 20, 3, 30, 4, 40]));
        Write("y.npy", NpyBytes.Of<float>("<f4", [4, 1], [1.5f, 2.5f, 3.5f, 4.5f]));
        var set = Load(_npy, TaskKind.Regression);
        Assert.Equal(new ArrayFormat([2], 0), set.Train.Format);
        Assert.Empty(set.Classes);
        var split = Split.ByShare(4, 0.5, 1);
        Assert.Equal(split.Train.Select(i => (i + 1f, (i + 1f) * 10, i + 1.5f)),
            Rows(set.Train).Select(row => (row.Inputs[0], row.Inputs[1], row.Target)));
        Assert.Equal(split.Test.Select(i => i + 1.5f), Rows(set.Test).Select(row => row.Target));
    }

    [Fact]
    public void Bytes_are_pixels_and_their_targets_are_classes()
    {
        Write("x.npy", NpyBytes.Of<byte>("|u1", [2, 2, 3], [0, 255, 51, 0, 0, 0, 255, 255, 255, 255, 255, 255]));
        Write("y.npy", NpyBytes.Of<long>("<i8", [2], [2, 0]));
        Write("u.npy", NpyBytes.Of<byte>("|u1", [1, 2, 3], [255, 255, 255, 0, 0, 0]));
        Write("v.npy", NpyBytes.Of<int>("<i4", [1], [3]));
        var set = Load(_npy with { Test = null, TestPath = "u.npy", TestTargets = "v.npy" }, TaskKind.Classification);
        Assert.Equal(new ArrayFormat([1, 2, 3], 4), set.Train.Format);
        Assert.Equal(["0", "1", "2", "3"], set.Classes);
        Assert.Equal([0, 1, 0.2f, 0, 0, 0], Rows(set.Train)[0].Inputs);
        Assert.Equal([2, 0], Rows(set.Train).Select(row => row.Target));
        Assert.Equal(3, Assert.Single(Rows(set.Test)).Target);
    }

    [Fact]
    public void Bad_samples_are_named_and_rejected_or_skipped()
    {
        Write("x.npy", NpyBytes.Of<float>("<f4", [5, 1], [1, float.NaN, 3, 4, 5]));
        Write("y.npy", NpyBytes.Of<float>("<f4", [5], [0, 1, 0.5f, -1, 1]));
        const string Named = "sample 1 has the input NaN; a finite number is expected; "
            + "sample 2 has the class 0.5; allowed: whole numbers from 0 to 999; "
            + "sample 3 has the class -1; allowed: whole numbers from 0 to 999";
        Assert.Equal($"{_folder.At("x.npy")}: 3 of 5 samples cannot be used: {Named}. "
            + "Mend them, or leave them out with on-bad-sample: skip.", Error(_npy, TaskKind.Classification));
        var set = Load(_npy with { SkipsBadSamples = true }, TaskKind.Classification);
        Assert.Equal([(1, 0), (5, 1)], Rows(set.Train).Concat(Rows(set.Test)).Select(row => (row.Inputs[0], row.Target)).Order());
        Assert.Equal($"{_folder.At("x.npy")}: 3 of 5 samples cannot be used and are left out: {Named}", Assert.Single(set.Notes));
    }

    [Fact]
    public void Arrays_of_different_sizes_are_rejected()
    {
        Write("x.npy", NpyBytes.Of<float>("<f4", [2, 2], [1, 2, 3, 4]));
        Write("y.npy", NpyBytes.Of<float>("<f4", [3], [0, 1, 2]));
        Assert.EndsWith($"x.npy has 2 samples, {_folder.At("y.npy")} 3 targets; they must agree.",
            Error(_npy, TaskKind.Regression), StringComparison.Ordinal);
        Write("y.npy", NpyBytes.Of<float>("<f4", [2, 2], [0, 1, 2, 3]));
        Assert.EndsWith("y.npy has the shape [2, 2]; a target is one number: [samples] or [samples, 1] is expected.",
            Error(_npy, TaskKind.Regression), StringComparison.Ordinal);
        Write("y.npy", NpyBytes.Of<float>("<f4", [2], [0, 1]));
        Write("u.npy", NpyBytes.Of<float>("<f4", [2], [0, 1]));
        Assert.EndsWith($"u.npy has the shape [1], one of {_folder.At("x.npy")} [2]; they must agree.",
            Error(_npy with { Test = null, TestPath = "u.npy", TestTargets = "u.npy" }, TaskKind.Regression), StringComparison.Ordinal);
        Write("y.npy", NpyBytes.Of<float>("<f4", [2], [0, 0]));
        Assert.Equal("x.npy: there is one class alone, 0; classification needs at least 2.", Error(_npy, TaskKind.Classification));
    }

    [Fact]
    public void The_largest_label_of_files_in_the_format_of_MNIST_determines_the_number_of_classes()
    {
        Write("images", IdxBytes.Of([4, 1, 2], [1, 2, 3, 4, 5, 6, 7, 8]));
        Write("labels.gz", IdxBytes.Gzipped(IdxBytes.Of([4], [0, 1, 2, 1])));
        Write("test", IdxBytes.Of([1, 1, 2], [9, 9]));
        Write("test-labels", IdxBytes.Of([1], [5]));
        var drawn = Load(_idx, TaskKind.Classification);
        Assert.Equal(new ImageFormat(1, 1, 2, 3, 1f / 255), drawn.Train.Format);
        Assert.Equal(Split.ByShare(4, 0.5, 1).Test.Select(i => (byte)((2 * i) + 1)),
            ((ImageSet)drawn.Test).Pixels.ToArray().Where((_, i) => i % 2 == 0));
        var own = Load(_idx with { Test = null, TestPath = "test", TestLabels = "test-labels" }, TaskKind.Classification);
        Assert.Equal((4, 1, 6), (own.Train.Count, own.Test.Count, own.Test.Format.Classes));
        Assert.Equal(["0", "1", "2", "3", "4", "5"], own.Classes);
        Write("test", IdxBytes.Of([1, 2, 1], [9, 9]));
        Assert.Equal("test has images of 2x1, images of 1x2; they must agree.",
            Error(_idx with { Test = null, TestPath = "test", TestLabels = "test-labels" }, TaskKind.Classification));
    }

    private void Write(string name, byte[] bytes) => File.WriteAllBytes(_folder.At(name), bytes);

    private DataSet Load(OwnData data, TaskKind kind) =>
        DataSets.Load(Job.Default with { Task = kind.Name, Data = data }, new() { DataDirectory = _folder.Path });

    private string Error(OwnData data, TaskKind kind) => Assert.Throws<DataException>(() => Load(data, kind)).Message;

    private static List<(float[] Inputs, float Target)> Rows(SampleSet set) => [.. Enumerable.Range(0, set.Count).Select(sample =>
    {
        var (inputs, target) = (new float[set.Format.SampleSize], new float[1]);
        set.CopyTo([sample], inputs, target);
        return (inputs, target[0]);
    })];
}
