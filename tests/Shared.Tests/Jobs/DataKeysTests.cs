using Distributed.Jobs;

namespace Distributed.Shared.Tests.Jobs;

public sealed class DataKeysTests
{
    private const string Job = "{task: classification, data: digits, model: mlp, epochs: 3, batch: 64, optimizer: sgd}";

    private const string Canonical = """
        data:
          name: csv
          path: "my data/housing.csv"
          header: true
          separator: ";"
          target: "price"
          columns: ["rooms", 3]
          one-hot: ["rooms"]
          test-path: null
          test: 0.3
          on-bad-sample: skip

        """;

    [Fact]
    public void A_known_set_is_written_as_its_name() =>
        Assert.Contains("\ndata: digits\n", JobFile.Format(JobFile.Parse(Job, "job")), StringComparison.Ordinal);

    [Theory]
    [InlineData("data={csv: a.csv, target: b}", "data={name: csv, path: a.csv, header: true, separator: \",\", target: \"b\", columns: [], "
        + "one-hot: [], test-path: null, test: null, on-bad-sample: refuse}")]
    [InlineData("data={folder: images, size: [8, 9]}", "data={size: [8, 9], name: folder, path: \"images\", grey: false}")]
    [InlineData("data={idx: a, labels: b, test-path: c, test-labels: d}",
        "data={name: idx, path: a, labels: b, test-path: c, test-labels: d, test: null}")]
    [InlineData("data={npy: a.npy, targets: b.npy, test: 0.5}",
        "data={name: npy, path: a.npy, targets: b.npy, test: 0.5, test-targets: null}")]
    [InlineData("data=digits", "data={name: digits}")]
    public void The_short_form_equals_the_long_one(string brief, string full) => Assert.Equal(Read(full), Read(brief));

    [Fact]
    public void A_table_has_its_canonical_text() => Assert.Contains(
        Canonical, JobFile.Format(Read("data={csv: my data/housing.csv, target: price, columns: [rooms, 3], one-hot: [rooms], separator: "
            + ";, test: 0.3, on-bad-sample: skip}")), StringComparison.Ordinal);

    [Fact]
    public void A_setting_changes_a_key_of_the_short_form()
    {
        var job = JobFile.Parse("{task: regression, data: {csv: a.csv, target: b}, model: mlp, epochs: 3, batch: 64, optimizer: sgd}",
            "job", ["data.csv=c.csv", "data.test=0.5"]);
        Assert.Equal(new CsvData { Path = "c.csv", Target = new("b", 0), Test = 0.5 }, job.Data);
    }

    [Fact]
    public void Any_path_and_name_survives_a_round_trip() =>
        Gen.String.Where(IsOneLine).Sample(text =>
        {
            var data = new CsvData { Path = text, Target = new(text, 0), Columns = [new(text, 0), new(null, 7)] };
            var job = JobFile.Parse(Job, "job") with { Data = data };
            Assert.Equal(job, JobFile.Parse(JobFile.Format(job), "formatted"));
        });

    [Fact]
    public void The_text_for_people_has_kind_and_path()
    {
        Assert.Equal("digits", $"{new KnownData("digits")}");
        Assert.Equal("csv a.csv", $"{new CsvData { Path = "a.csv" }}");
    }

    [Theory]
    [InlineData("data=csv", "data.path is missing; allowed: a path of 1 to 4096 characters on one line")]
    [InlineData("data={csv: a.csv}", "data.target is missing; allowed: the name of a column, or its number from 1")]
    [InlineData("data={csv: a.csv, path: b.csv, target: c}", "data.path is given again, as csv; allowed: once")]
    [InlineData("data={path: b.csv, target: c}",
        "data.name is missing; allowed: digits, fashion-mnist, breast-cancer, csv, folder, idx or npy")]
    [InlineData("data={name: tsv, path: b.csv}",
        "data.name is tsv; allowed: digits, fashion-mnist, breast-cancer, csv, folder, idx or npy")]
    [InlineData("data={name: digits, path: b.csv}", "data.path is not a known key; allowed: name")]
    [InlineData("data={csv: [a], target: c}", "data.path is a list of 1 entry; allowed: a path of 1 to 4096 characters on one line")]
    [InlineData("data={csv: null, target: c}", "data.path is null; allowed: a path of 1 to 4096 characters on one line")]
    [InlineData("data={csv: a.csv, target: 0}", "data.target is 0; allowed: the name of a column, or its number from 1")]
    [InlineData("data={csv: a.csv, target: c, header: false}",
        "data.target is c; allowed: the number of a column from 1, because header is false")]
    [InlineData("data={csv: a.csv, target: c, separator: ;;}", "data.separator is ;;; allowed: \",\", \";\", \"|\" or a tab (\"\\t\")")]
    [InlineData("data={csv: a.csv, target: c, test: 0}", "data.test is 0; allowed: a number greater than 0, below 1, or null")]
    [InlineData("data={csv: a.csv, target: c, test: 1}", "data.test is 1; allowed: a number greater than 0, below 1, or null")]
    [InlineData("data={csv: a.csv, target: c, test-path: b.csv, test: 0.2}",
        "data.test is 0.2; allowed: null, because test-path names the test set")]
    [InlineData("data={csv: a.csv, target: c, on-bad-sample: drop}", "data.on-bad-sample is drop; allowed: refuse or skip")]
    [InlineData("data={csv: a.csv, target: c, traget: d}", "data.traget is not a known key (did you mean target?); allowed: name, path, "
        + "header, separator, target, columns, one-hot, test-path, test, on-bad-sample")]
    [InlineData("data={folder: a}", "data.size is missing; allowed: a list of 2 entries, each a whole number from 1 to 1024")]
    [InlineData("data={folder: a, size: [8]}",
        "data.size is a list of 1 entry; allowed: a list of 2 entries, each a whole number from 1 to 1024")]
    [InlineData("data={idx: a, labels: b, test-path: c}",
        "data.test-labels is missing; allowed: a path of 1 to 4096 characters on one line")]
    [InlineData("data={idx: a, labels: b, test-labels: c}", "data.test-labels is c; allowed: null, because test-path is not given")]
    [InlineData("data={idx: a, labels: b, on-bad-sample: skip}",
        "data.on-bad-sample is not a known key; allowed: name, path, labels, test-path, test, test-labels")]
    [InlineData("data={npy: a}", "data.targets is missing; allowed: a path of 1 to 4096 characters on one line")]
    public void Errors_are_in_the_users_words(string setting, string message) =>
        Assert.EndsWith($": {message}", Assert.Throws<JobException>(() => Read(setting)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("regression", "{folder: a, size: [8, 8]}", "data.name is missing; allowed: diabetes, csv or npy")]
    [InlineData("regression", "folder", "data is folder; allowed: diabetes, csv or npy")]
    public void Data_that_does_not_fit_the_task_is_refused(string task, string data, string message) => Assert.Equal(
        $"job:1: {message}",
        Assert.Throws<JobException>(
            () => JobFile.Parse($"{{task: {task}, data: {data}, model: mlp, epochs: 3, batch: 64, optimizer: sgd}}", "job")).Message);

    [Fact]
    public void A_convolution_is_for_images()
    {
        Assert.Equal("job:1: model is cnn; allowed: mlp, plugin or torchscript",
            Assert.Throws<JobException>(() => JobFile.Parse(Job.Replace("mlp", "cnn", StringComparison.Ordinal)
                .Replace("digits", "{csv: a, target: b}", StringComparison.Ordinal), "job")).Message);
        Assert.IsType<CnnSpec>(JobFile.Parse(Job.Replace("mlp", "cnn", StringComparison.Ordinal)
            .Replace("digits", "{folder: a, size: [8, 8]}", StringComparison.Ordinal), "job").Model);
    }

    private static bool IsOneLine(string text) =>
        text.Length > 0 && !text.Any(c => char.IsControl(c) || char.IsSurrogate(c) || c is '\u2028' or '\u2029' or '\ufeff');

    private static Job Read(string setting) => JobFile.Parse(Job, "job", [setting]);
}
