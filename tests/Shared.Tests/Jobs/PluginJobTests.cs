using System.Security.Cryptography;
using Distributed.Core.Scores;
using Distributed.Jobs;

namespace Distributed.Shared.Tests.Jobs;

/// <summary>Jobs whose model or task is the user's own.</summary>
public sealed class PluginJobTests : IDisposable
{
    private static readonly Gen<double> _number =
        Gen.OneOf(Gen.Double.Where(double.IsFinite), Gen.Int[-9, 9].Select(n => (double)n), Gen.OneOfConst(1e20, -0.0, 1e-300));

    private static readonly Gen<SettingValue> _value = Gen.OneOf<SettingValue>(
        Gen.Bool.Select(flag => (SettingValue)new SettingValue.Flag(flag)),
        Gen.Long.Select(whole => (SettingValue)new SettingValue.Whole(whole)),
        _number.Select(number => (SettingValue)new SettingValue.Number(number)),
        Gen.OneOf(Gen.String[Gen.Char[' ', '~'], 0, 40],
            Gen.OneOfConst("true", "1.5", "null", "", "\\", "a: \"b\" #c", "größer 漢 🙂"))
            .Select(text => (SettingValue)new SettingValue.Text(text)),
        Gen.Long.Array[0, 5].Select(items => (SettingValue)new SettingValue.Wholes([.. items])),
        _number.Array[1, 5].Select(items => (SettingValue)new SettingValue.Numbers([.. items])));

    private static readonly Gen<Setting[]> _settings = Gen.Select(Gen.OneOfConst("a", "b2", "hidden-width", "null", "true-x"),
        _value, (name, value) => new Setting(name, value)).Array[0, 6]
        .Select(settings => settings.DistinctBy(setting => setting.Name).ToArray());

    private readonly string _folder = Directory.CreateTempSubdirectory("distributed-jobs-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Settings_survive_a_round_trip_and_have_one_text_in_any_order() =>
        Gen.Select(_settings, Gen.Bool).Sample((settings, isTask) =>
        {
            var text = JobFile.Format(With(settings));
            Assert.Equal(text, JobFile.Format(With([.. settings.Reverse()])));
            Assert.Equal(With([.. settings.OrderBy(setting => setting.Name, StringComparer.Ordinal)]), JobFile.Parse(text, "x.yaml"));

            Job With(Setting[] given) => isTask
                ? Job.Default with
                {
                    Task = "plugin",
                    PluginTask = new() { Class = "My.Task", Metric = "mean_margin", Settings = [.. given] },
                    Loss = Losses.OfPlugin,
                }
                : Job.Default with { Model = new PluginSpec { Class = "Net", Settings = [.. given] } };
        });

    [Theory]
    [InlineData("model=plugin", "model.class is missing; allowed: the name of a class, such as TinyNet or My.Models.TinyNet")]
    [InlineData("model={name: plugin, class: 3x}", "model.class is 3x; allowed: the name of a class, such as TinyNet or My.Models.TinyNet")]
    [InlineData("model={name: plugin, class: A, settings: {Width: 3}}",
        "model.settings.Width is not the name of a setting; allowed: a name in small letters and digits, such as hidden-width")]
    [InlineData("model={name: plugin, class: A, settings: {w: {x: 3}}}", "model.settings.w is a section of keys; allowed: a number, true, "
        + "false, a text of at most 256 printable characters, or a list of at most 256 numbers")]
    [InlineData("model={name: plugin, class: A, settings: {w: [a]}}", "model.settings.w is a list of 1 entry; allowed: a number, true, "
        + "false, a text of at most 256 printable characters, or a list of at most 256 numbers")]
    [InlineData("model={name: plugin, class: A, settings: {w: null}}", "model.settings.w is null; allowed: a number, true, false, a text "
        + "of at most 256 printable characters, or a list of at most 256 numbers")]
    [InlineData("model={name: plugin, class: A, settings: 3}", "model.settings is 3; allowed: a section of at most 64 settings, each a "
        + "number, true, false, a text of at most 256 printable characters, or a list of at most 256 numbers")]
    [InlineData("model=torchscript", "model.file is missing; allowed: the path of a TorchScript file, of 1 to 1024 printable characters")]
    [InlineData("model={name: torchscript, file: a.pt, sha256: abc}",
        "model.sha256 is abc; allowed: 64 hexadecimal digits in small letters, or null until a run begins")]
    [InlineData("task=plugin", "task.class is missing; allowed: the name of a class, such as TinyNet or My.Models.TinyNet")]
    [InlineData("task={name: plugin, class: A, metric: r2}",
        "task.metric is r2; allowed: accuracy, or a name of its own in small letters and digits, such as mean_margin")]
    [InlineData("task={name: other, class: A}", "task.name is other; allowed: plugin")]
    public void A_wrong_value_is_reported_with_the_allowed_ones(string setting, string message) =>
        Assert.Equal($"--set {Shown(setting)}: {message}",
            Assert.Throws<JobException>(() => JobFile.Parse(JobFile.Format(Job.Default), "x.yaml", [setting])).Message);

    [Fact]
    public void Too_many_settings_are_refused()
    {
        var settings = string.Join(", ", Enumerable.Range(0, 65).Select(i => $"s{i}: {i}"));
        Assert.Throws<JobException>(
            () => JobFile.Parse(JobFile.Format(Job.Default), "x.yaml", [$"model={{name: plugin, class: A, settings: {{{settings}}}}}"]));
    }

    [Fact]
    public void The_job_names_the_mean_that_rates_a_plugins_task()
    {
        var job = JobFile.Parse(JobFile.Format(Job.Default),
            "x.yaml", ["task={name: plugin, class: A, metric: mean_margin}", "loss=plugin"]);
        Assert.Equal(("mean_margin", "mean margin", 0.5), (job.Kind.Metric.Name, job.Kind.Metric.Title, job.Kind.Metric.Of([2, 7], 4)));
        Assert.Equal(job.Kind.Metric, Metric.Find("mean_margin"));
        Assert.True(double.IsNaN(job.Kind.Metric.Of([], 4)));
        Assert.Same(Metric.Accuracy, JobFile.Parse(JobFile.Format(Job.Default),
            "x.yaml", ["task={name: plugin, class: A, metric: accuracy}", "loss=plugin"]).Kind.Metric);
    }

    [Fact]
    public void The_short_form_gives_the_file_or_the_class()
    {
        Assert.Equal(new TorchScriptSpec { File = "model.pt" }, Model("model={torchscript: model.pt}"));
        Assert.Equal(Model("model={name: plugin, class: Net, settings: {width: 3}}"), Model("model={plugin: Net, settings: {width: 3}}"));

        static ModelSpec Model(string setting) => JobFile.Parse(JobFile.Format(Job.Default), "x.yaml", [setting]).Model;
    }

    [Fact]
    public void The_hash_of_a_TorchScript_file_is_part_of_the_job()
    {
        var file = Path.Combine(_folder, "a b.pt");
        File.WriteAllText(file, "script");
        var job = Job.Default with { Model = new TorchScriptSpec { File = file } };
        var resolved = TorchScriptFile.Resolve(job);
        var sum = Convert.ToHexStringLower(SHA256.HashData("script"u8));
        Assert.Equal(job with { Model = new TorchScriptSpec { File = file, Sha256 = sum } },
            JobFile.Parse(JobFile.Format(resolved), "x.yaml"));
        Assert.Equal(resolved, TorchScriptFile.Resolve(resolved));

        File.WriteAllText(file, "another");
        var other = Convert.ToHexStringLower(SHA256.HashData("another"u8));
        Assert.Equal($"model.file is '{file}', whose SHA-256 is {other}; the job was begun with {sum}: copy that file here",
            Refusal(resolved));
        // By then, the run has its own model.
        File.WriteAllText(Path.Combine(_folder, "model.pt"), "trained");
        Assert.Equal(Path.Combine(_folder, "model.pt"), ((TorchScriptSpec)TorchScriptFile.OfRun(resolved, _folder).Model).File);

        File.Delete(file);
        Assert.Equal(resolved, TorchScriptFile.Resolve(resolved));
        Assert.StartsWith($"model.file is '{file}', which does not exist", Refusal(job), StringComparison.Ordinal);

        static string Refusal(Job job) => Assert.Throws<JobException>(() => TorchScriptFile.Resolve(job)).Message;
    }

    private static string Shown(string setting) => setting.Length <= 60 ? setting : setting[..60] + "...";
}
